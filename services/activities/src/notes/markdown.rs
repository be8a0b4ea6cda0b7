//! Markdown as HTML that is safe to show.

use std::borrow::Cow;
use std::sync::LazyLock;

use ammonia::{Builder, Url, UrlRelative};
use field_types::text::undeceiving;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

use super::mentions::is_mention;

/// Most levels of lists, quotes and the like in each other. What is deeper is shown without its level: a parser of HTML may use its
/// stack for each.
const MAX_DEPTH: usize = 32;

/// How many times longer the HTML of a text may be, and with how many bytes more. Only what is built to grow comes to more (the rows of a
/// wide table are completed to its width); it is shown as the text that it is, as cleaning takes time by the length of the HTML.
const GROWTH: (usize, usize) = (3, 16 << 10);

/// What is left. Addresses are absolute ones of these schemes; links tell nothing of where they are followed from, and of images only the
/// text is left, as fetching one tells its server who reads the note.
static SAFE: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(
            [
                "a",
                "blockquote",
                "br",
                "code",
                "del",
                "em",
                "h1",
                "h2",
                "h3",
                "h4",
                "h5",
                "h6",
                "hr",
                "li",
                "ol",
                "p",
                "pre",
                "strong",
                "table",
                "tbody",
                "td",
                "th",
                "thead",
                "tr",
                "ul",
            ]
            .into(),
        )
        .tag_attributes([("a", ["href", "title"].into()), ("ol", ["start"].into())].into())
        .url_schemes(["http", "https", "mailto", "tel"].into())
        .url_relative(UrlRelative::Deny)
        .attribute_filter(|_, name, value| if name == "href" { address(value) } else { Some(value.into()) })
        .link_rel(Some("noopener noreferrer nofollow"));
    builder
});

/// An address that leads to the same place from every page. A browser reads `https:x` and `https:/x` as relative to a page of the same
/// scheme, and a user name in front of the host serves deception only. What was judged is what is written.
fn address(href: &str) -> Option<Cow<'_, str>> {
    let (scheme, rest) = href.split_once(':')?;
    if !["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web)) {
        return Some(href.into());
    }
    if !rest.strip_prefix("//")?.starts_with(|c: char| !matches!(c, '/' | '\\')) {
        return None;
    }
    let url = Url::parse(href).ok()?;
    let is_plain = url.has_host() && url.username().is_empty() && url.password().is_none();
    is_plain.then(|| String::from(url).into())
}

/// What is read of Markdown besides CommonMark: tables, strikethrough and task lists.
pub(super) const OPTIONS: Options =
    Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_TASKLISTS);

/// Raw HTML is text, and a mention is the name that was written.
pub(crate) fn to_html(markdown: &str) -> String {
    let mut depth = 0_usize;
    // A link has no link in it.
    let mut is_in_mention = false;
    let events = Parser::new_ext(markdown, OPTIONS).filter_map(|event| match event {
        Event::Start(Tag::Link { ref dest_url, .. }) if is_mention(dest_url) => {
            is_in_mention = true;
            None
        }
        Event::End(TagEnd::Link) if is_in_mention => {
            is_in_mention = false;
            None
        }
        Event::Start(Tag::Image { .. } | Tag::HtmlBlock) | Event::End(TagEnd::Image | TagEnd::HtmlBlock) => {
            None
        }
        Event::Start(tag) => {
            depth += 1;
            (depth <= MAX_DEPTH).then_some(Event::Start(tag))
        }
        Event::End(tag) => {
            depth -= 1;
            (depth < MAX_DEPTH).then_some(Event::End(tag))
        }
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::TaskListMarker(done) => Some(Event::Text(if done { "\u{2611} " } else { "\u{2610} " }.into())),
        other => Some(other),
    });
    let mut written = String::with_capacity(markdown.len() * 2);
    html::push_html(&mut written, events);
    if written.len() > GROWTH.0 * markdown.len() + GROWTH.1 {
        return format!("<pre>{}</pre>", ammonia::clean_text(markdown));
    }
    // Entities bring back what is taken out of every text that is sent.
    undeceiving(SAFE.clean(&written).to_string())
}

#[cfg(test)]
mod tests;
