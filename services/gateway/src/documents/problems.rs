//! The pages of reasons: where the `type` of a problem leads. Made from the list of `libs/reasons`, without a script.

use error::{Reason, ReasonUse};

/// The way to the page of all reasons; each reason's own is below it.
pub(super) const INDEX: &str = "/problems";

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:1.5rem}\
code{font:.85em ui-monospace,monospace}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;padding:.3rem .5rem;border-top:1px solid #8884;vertical-align:top}.dim{opacity:.7}";

/// The page of all reasons.
pub(super) fn index() -> String {
    let mut rows = String::new();
    let mut reasons: Vec<Reason> = Reason::all().collect();
    reasons.sort();
    for reason in reasons {
        let meaning = text(&reason.meaning());
        rows.push_str(&format!(
            "<tr><td><a href=\"{INDEX}/{reason}\"><code>{reason}</code></a></td><td>{meaning}</td></tr>"
        ));
    }
    page(
        "Problems",
        &format!(
            "<p>Why a request can be refused. Each word has a page of its own.</p><table>{rows}</table>"
        ),
    )
}

/// The page of one reason.
pub(super) fn of(reason: Reason) -> String {
    let mut uses = String::new();
    for place in reason.uses() {
        uses.push_str(&match place {
            ReasonUse::Status(status) => format!("<li>a problem with status {status}</li>"),
            ReasonUse::Violation => {
                "<li>an entry of a problem's <code>errors</code>, or a row of an import</li>".to_owned()
            }
            ReasonUse::Operation => "<li>the <code>failure</code> of an operation</li>".to_owned(),
            ReasonUse::Warning => "<li>an entry of <code>warnings</code> in an answer</li>".to_owned(),
        });
    }
    let (meaning, remedy) = (text(&reason.meaning()), text(reason.remedy()));
    let body = format!(
        "<p class=\"dim\"><code>{reason}</code></p><h2>What it means</h2><p>{meaning}</p>\
         <h2>What you can do</h2><p>{remedy}</p><h2>Where it occurs</h2><ul>{uses}</ul>\
         <p><a href=\"{INDEX}\">All problems</a> · <a href=\"/docs\">API</a></p>"
    );
    page(&text(reason.title()), &body)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · GlobCRM API</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    )
}

/// Text of the list as HTML: escaped, with what stands in backticks as code.
fn text(plain: &str) -> String {
    let escaped =
        plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut html = String::with_capacity(escaped.len() + 32);
    for (at, part) in escaped.split('`').enumerate() {
        html.push_str(match at {
            0 => "",
            at if at % 2 == 1 => "<code>",
            _ => "</code>",
        });
        html.push_str(part);
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_page_and_the_index_leads_to_it() {
        let index = index();
        for reason in Reason::all() {
            let page = of(reason);
            assert!(page.contains(&format!("<code>{reason}</code>")), "{page}");
            for shown in [reason.meaning().as_str(), reason.remedy()] {
                assert!(page.contains(&format!("<p>{}</p>", text(shown))), "{page}");
            }
            assert!(index.contains(&format!("href=\"/problems/{reason}\"")), "{reason}");
            assert_eq!(page.matches("<code>").count(), page.matches("</code>").count(), "{page}");
        }
    }

    #[test]
    fn a_page_runs_nothing_and_shows_signs_as_they_are() {
        assert_eq!(text("`a < b` & \"c\""), "<code>a &lt; b</code> &amp; &quot;c&quot;");
        for page in Reason::all().map(of).chain([index()]) {
            assert!(!page.contains("<script") && !page.contains("src="), "{page}");
        }
    }
}
