use std::cell::RefCell;

use ammonia::url::Url;
use html5ever::tokenizer::{BufferQueue, Tag, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

use super::{GROWTH, MAX_DEPTH, SAFE, address, to_html};

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
        ">", "> ", "- ", "1. ", "[", "![", "*", "**a ", "`", "<", "&", "|", "[a](", "~~", "\\", "_*", "a\n",
        "* \t", "<b>", "<!--", "|a\n", "[a][b]", "[a]: b\n", "&#0;", "\t",
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

/// Elements and attributes as a browser reads them.
#[derive(Default)]
struct Seen(RefCell<Vec<Tag>>);

impl TokenSink for Seen {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => self.0.borrow_mut().push(tag),
            Token::CommentToken(text) => panic!("a comment: {text}"),
            Token::DoctypeToken(_) | Token::NullCharacterToken => panic!("a doctype, or NUL"),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn seen(html: &str) -> Vec<Tag> {
    let (tokenizer, input) =
        (Tokenizer::new(Seen::default(), TokenizerOpts::default()), BufferQueue::default());
    input.push_back(html.into());
    let _end = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.take()
}

const ELEMENTS: [&str; 25] = [
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
];

/// Whether what a browser makes of it can do nothing but be read, and be left for another site.
fn assert_harmless(markdown: &str) {
    let html = to_html(markdown);
    for tag in seen(&html) {
        assert!(ELEMENTS.contains(&&*tag.name), "<{}> of {markdown:?}: {html}", tag.name);
        for attribute in &tag.attrs {
            let value = &*attribute.value;
            let is_fine = match (&*tag.name, &*attribute.name.local) {
                ("a", "href") => leads_away(value),
                ("a", "rel") => value == "noopener noreferrer nofollow",
                ("a", "title") => true,
                ("ol", "start") => value.parse::<u32>().is_ok(),
                _ => false,
            };
            assert!(is_fine, "{attribute:?} of {markdown:?}: {html}");
        }
    }
    // Read as a whole it is what it was: nothing moves to where it means something else.
    let elements =
        |html: &str| -> Vec<_> { seen(html).into_iter().map(|tag| (tag.kind, tag.name)).collect() };
    assert_eq!(elements(&SAFE.clean(&html).to_string()), elements(&html), "{markdown:?}: {html}");
    assert!(!html.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{markdown:?}: {html:?}");
}

/// Whether a page of either scheme would go to another site by it, without a user name.
fn leads_away(href: &str) -> bool {
    if href.starts_with("mailto:") || href.starts_with("tel:") {
        return true;
    }
    ["http://crm.test/notes/", "https://crm.test/notes/"].iter().all(|page| {
        let url = Url::parse(page).unwrap().join(href).unwrap();
        ["http", "https"].contains(&url.scheme())
            && url.host_str().is_some_and(|host| host != "crm.test")
            && url.username().is_empty()
            && url.password().is_none()
            && url.as_str() == href
    })
}

#[test]
fn whatever_is_tried_a_browser_reads_nothing_that_does_something() {
    let scripts = [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#115;cript:alert(1)",
        "javascript&colon;alert(1)",
        "java&Tab;script:alert(1)",
        "java&NewLine;script:alert(1)",
        "&#1;javascript:alert(1)",
        "&#32;javascript:alert(1)",
        "java%0ascript:alert(1)",
        "javascript&#0;:alert(1)",
        "vbscript:x",
        "data:text/html,<script>x</script>",
        "data:text/html;base64,PHNjcmlwdD4=",
        "file:///etc/passwd",
        "blob:https://x.test/1",
        "view-source:https://x.test",
        "about:blank",
        "ws://x.test",
        "//evil.test",
        "/api/v1/contacts",
        "\\\\evil.test",
        "#top",
        "?q",
        "",
        "https:foo",
        "http:foo",
        "https:/foo",
        "https:///foo",
        "https:\\\\foo",
        "https:/\\foo",
        "https://\\foo",
        "https://",
        "https://?x",
        "https://#x",
        "http://:80/x",
        "https://good.test@evil.test",
        "https://good.test:pw@evil.test",
        "https://@evil.test",
        "https://good.test%40evil.test",
        "https://good.test\\@evil.test",
        "https&Tab;://x.test",
        "ht&#10;tps://x.test",
        "https:&#9;//x.test",
        "https:/&#9;/x.test",
        "https://x&#9;.test",
        "https://x.test:99999/",
        "https://[::1",
        "https://exa mple.test",
        "https://%00.test",
        "https://x.test/\"onmouseover=\"alert(1)",
        "https://x.test/'><script>alert(1)</script>",
        "mailto:a@x.test\"onclick=\"x",
        "tel:1\"><img src=x onerror=x>",
        "cid:x",
        "intent://x#Intent;end",
        "ftp://x.test",
        "steam://run/1",
        "crm.test",
        "x:y",
    ];
    for script in scripts {
        for shape in [
            format!("[x]({script})"),
            format!("[x](<{script}>)"),
            format!("<{script}>"),
            format!("![x]({script})"),
            format!("[![x]({script})]({script})"),
            format!("[x]\n\n[x]: {script}"),
            format!("[x]\n\n[x]: <{script}> \"{script}\""),
            format!("[{script}](https://x.test '{script}')"),
            format!("<a href=\"{script}\">x</a>"),
            format!("`<{script}>`"),
            format!("|<{script}>|\n|-|\n|[x](<{script}>)|"),
        ] {
            assert_harmless(&shape);
        }
    }
    let markup = [
        "<script>alert(1)</script>",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "<svg/onload=alert(1)//",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<template><img src=x onerror=x></template>",
        "<textarea><img title=\"</textarea><img src=x onerror=x>\">",
        "<xmp><img src=x></xmp>",
        "<plaintext>",
        "<iframe srcdoc=\"<script>x</script>\">",
        "<object data=x>",
        "<embed src=x>",
        "<base href=//evil.test>",
        "<meta http-equiv=refresh content=0>",
        "<link rel=stylesheet href=//evil.test>",
        "<style>*{background:url(//evil.test)}</style>",
        "<form action=//evil.test><button>x</button></form>",
        "<input autofocus onfocus=alert(1)>",
        "<details open ontoggle=alert(1)>",
        "<!-- --><img src=x onerror=x>",
        "<!--><img src=x onerror=x>-->",
        "<![CDATA[<img src=x onerror=x>]]>",
        "<?xml x?><img src=x>",
        "<!DOCTYPE x>",
        "<a\nhref=javascript:alert(1)>x</a>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&#60;script&#62;alert(1)",
        "<x/onclick=alert(1)>",
        "<p style=\"position:fixed\">x</p>",
        "<b id=x class=y>",
        "</p></td></table>",
        "<\u{202e}img src=x>",
        "&#x202e;gpj.exe",
        "&#8203;&#xfeff;&#0;&#1;&#127;&#x85;&#xd800;&#x110000;",
        "```\"onclick=\"x\n<script>x</script>\n```",
        "~~~ <img src=x onerror=x>\nx\n~~~",
        "    <script>x</script>",
        "999999999. x",
        "-1. x",
        "# x {#id .class onclick=x}",
        "[^1]\n\n[^1]: x",
        "$$x$$",
        "- [x] <img src=x>",
        "|a|\n|:-:|\n|b|",
        "[x](https://x.test \"\\\"onmouseover=alert(1) x=\\\"\")",
        "[x](https://x.test '\"><img src=x onerror=x>')",
        "[<img src=x onerror=x>](https://x.test)",
        "[a](https://x.test)[b](javascript:x)",
        "[a [b](javascript:x) c](https://x.test)",
        "*a **b _c* d** e_ ~~f*g~~h*",
        "> - 1. > # `<x>`\n> | a |\n> |-|",
    ];
    for text in markup {
        for shape in [
            text.to_owned(),
            format!("x {text} y"),
            format!("> - {text}"),
            format!("# {text}"),
            format!("*{text}*"),
            format!("[{text}](https://x.test)"),
            format!("|a|\n|-|\n|{text}|"),
            format!("{}{text}", "> ".repeat(MAX_DEPTH)),
            format!("{}|a|\n{0}|-|\n{0}|{text}|", "> ".repeat(MAX_DEPTH - 1)),
        ] {
            assert_harmless(&shape);
        }
    }
}

#[test]
fn addresses_are_whole_and_written_as_they_are_followed() {
    let kept = [
        ("https://x.test", "https://x.test/"),
        ("HTTP://X.test:80/a?b#c", "http://x.test/a?b#c"),
        ("https://ex%C3%A4mple.test/%C3%A4", "https://xn--exmple-cua.test/%C3%A4"),
        ("https://[::1]:8443/", "https://[::1]:8443/"),
        ("https://x.test/a@b:c", "https://x.test/a@b:c"),
        ("mailto:a@x.test?subject=x", "mailto:a@x.test?subject=x"),
        ("tel:+49123", "tel:+49123"),
    ];
    for (given, written) in kept {
        assert_eq!(address(given).as_deref(), Some(written), "{given}");
    }
    let refused = [
        "https:foo",
        "http:/foo",
        "https:///foo",
        "https:\\\\foo",
        "https:/\\foo",
        "https://",
        "https://?x",
        "https://a@b.test",
        "https://:a@b.test",
        "foo",
        "/foo",
        "https://x.test:99999",
    ];
    for given in refused {
        assert_eq!(address(given), None, "{given}");
    }
}

#[test]
fn links_are_kept_and_images_are_their_text() {
    let html = to_html(
        "[x](https://x.test 'T') ![secret](https://tracker.test/pixel.png) <a@x.test> [y](https:foo)",
    );
    let rel = "rel=\"noopener noreferrer nofollow\"";
    let wanted = format!(
        "<p><a href=\"https://x.test/\" title=\"T\" {rel}>x</a> secret <a href=\"mailto:a@x.test\" {rel}>a@x.test</a> <a {rel}>y</a></p>\n"
    );
    assert_eq!(html, wanted);
}

#[test]
fn a_raw_element_is_its_text() {
    assert_eq!(to_html("a <b>c</b>"), "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n");
    assert_eq!(to_html("<p>a</p>"), "&lt;p&gt;a&lt;/p&gt;");
}

#[test]
fn entities_bring_nothing_back_that_deceives() {
    assert_eq!(to_html("a&#x202e;b&#8203;c&#1;d&#x200d;e"), "<p>abcd\u{200d}e</p>\n");
}
