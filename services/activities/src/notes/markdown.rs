//! Markdown as HTML that is safe to show.

use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

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
        .link_rel(Some("noopener noreferrer nofollow"));
    builder
});

/// CommonMark with tables, strikethrough and task lists. Raw HTML is text.
pub(crate) fn to_html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut depth = 0_usize;
    let events = Parser::new_ext(markdown, options).filter_map(|event| match event {
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
    SAFE.clean(&written).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most characters of a note.
    const MOST: usize = 50_000;
    /// As text, a blank or an `&` takes five bytes, and a line break as many.
    const BOUND: usize = 6 * MOST + GROWTH.1;

    /// The deepest level of elements.
    fn depth(html: &str) -> usize {
        let (mut now, mut deepest) = (0_usize, 0);
        for (at, _) in html.match_indices('<') {
            let rest = &html[at + 1..];
            if rest.starts_with('/') {
                now -= 1;
            } else if !rest.starts_with("br") && !rest.starts_with("hr") {
                now += 1;
                deepest = deepest.max(now);
            }
        }
        deepest
    }

    /// The rows of a table are completed to as many cells as its head has.
    #[test]
    fn a_wide_table_with_many_short_rows_is_shown_in_bounds() {
        let wide = format!("{}|\n{}|\n{}", "|a".repeat(2_000), "|-".repeat(2_000), "a\n".repeat(10_000));
        let html = to_html(&wide);
        assert!(html.starts_with("<pre>|a|a") && html.len() <= BOUND, "{} bytes", html.len());
    }

    #[test]
    fn a_text_built_to_exhaust_is_shown_in_bounds() {
        let parts = [
            ">", "> ", "- ", "1. ", "[", "![", "*", "**a ", "`", "<", "&", "|", "[a](", "~~", "\\", "_*",
            "a\n", "* \t", "<b>", "<!--", "|a\n", "[a][b]", "[a]: b\n", "&#0;", "\t",
        ];
        for part in parts {
            // What nests needs the whole length to exhaust a stack; of the rest a tenth shows the shape.
            let length = if [">", "> ", "[", "*", "<b>"].contains(&part) { MOST } else { MOST / 10 };
            let repeated = part.repeat(length / part.len());
            for body in [repeated.clone(), format!("x{repeated}"), format!("|a|\n|-|\n{repeated}")] {
                let html = to_html(&body);
                assert!(html.len() <= BOUND, "{part:?}: {} bytes", html.len());
                assert!(depth(&html) <= 2 * MAX_DEPTH, "{part:?}: {} levels", depth(&html));
            }
        }
    }
}
