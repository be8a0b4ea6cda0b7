//! `docs`: the documents that the program itself can write. It is asked, so they cannot say anything else than it does.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use testkit::{Progress, Workspace};

use crate::{cargo, up};

/// A generated document: where it lies, and what globcrm is asked.
struct Document {
    file: &'static str,
    arguments: &'static [&'static str],
    /// What is kept of the answer.
    shape: fn(&str) -> String,
}

const DOCUMENTS: [Document; 3] = [
    Document { file: "docs/configuration.md", arguments: &["config", "docs"], shape: str::to_owned },
    Document { file: "docs/errors.md", arguments: &["reasons"], shape: str::to_owned },
    // On one line as the gateway serves it, indented as people compare it.
    Document { file: "docs/openapi.json", arguments: &["openapi"], shape: indented },
];

/// Writes the generated documents, or checks that they are what the program says.
pub(crate) fn run(check: bool, progress: &Progress) -> Result<()> {
    let program = up::build(&Workspace::here()?, false, progress)?;
    let documents: Vec<(&str, String)> = DOCUMENTS
        .iter()
        .map(|document| {
            let text = ask(&program, document.arguments, progress)?;
            Ok((document.file, (document.shape)(&text)))
        })
        .collect::<Result<_>>()?;
    let stale = settle(&crate::root(), &documents, check)?;
    if check && !stale.is_empty() {
        bail!("not what the program says ({}): run `cargo xtask docs`", stale.join(", "));
    }
    progress.say(format!("docs: {} generated, {} changed", documents.len(), stale.len()));
    Ok(())
}

/// The standard output of the built program.
fn ask(program: &Path, arguments: &[&str], progress: &Progress) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let mut text = String::new();
    let succeeded = cargo::lines(command, progress, |line| {
        text.push_str(line);
        text.push('\n');
    })?;
    if !succeeded || text.is_empty() {
        bail!("globcrm {} gave no document", arguments.join(" "));
    }
    Ok(text)
}

/// The files that were something else; they are written unless this is a check.
fn settle<'a>(root: &Path, documents: &[(&'a str, String)], check: bool) -> Result<Vec<&'a str>> {
    let mut stale = Vec::new();
    for (file, text) in documents {
        let path = root.join(file);
        if std::fs::read(&path).ok().as_deref() == Some(text.as_bytes()) {
            continue;
        }
        stale.push(*file);
        if !check {
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
            }
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(stale)
}

/// JSON without white space -> the same with a line for each member. The order stays: a JSON library would sort it or
/// not, as other crates of the build wish.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let mut rest = json.trim().chars().peekable();
    while let Some(c) = rest.next() {
        if quoted {
            out.push(c);
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                out.push(c);
                // An empty object or list stays on its line.
                if let Some(end) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => {
                quoted = c == '"';
                out.push(c);
            }
        }
    }
    out.push('\n');
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_what_stands_in_quotes_is_left_alone() {
        let json = r#"{"a":{},"b":[1,{"c:,{":"d\\"}],"e":"\"[,"}"#;
        let expected = "{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"c:,{\": \"d\\\\\"\n    }\n  ],\n  \"e\": \"\\\"[,\"\n}\n";
        assert_eq!(indented(json), expected);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&indented(json)), value(json));
    }

    #[test]
    fn a_check_names_what_differs_and_writes_nothing() {
        let root = crate::root().join(format!("target/tmp/xtask-docs-{}", std::process::id()));
        let documents = [("docs/a.md", "one\n".to_owned()), ("docs/b.md", "two\n".to_owned())];
        assert_eq!(settle(&root, &documents, true).unwrap(), ["docs/a.md", "docs/b.md"]);
        assert!(!root.exists());
        assert_eq!(settle(&root, &documents, false).unwrap().len(), 2);
        assert!(settle(&root, &documents, true).unwrap().is_empty());
        std::fs::write(root.join("docs/b.md"), "three\n").unwrap();
        assert_eq!(settle(&root, &documents, true).unwrap(), ["docs/b.md"]);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_program_without_an_answer_is_an_error_and_no_empty_document() {
        let silent = Progress::silent();
        assert!(ask(Path::new("true"), &[], &silent).is_err());
        assert!(ask(Path::new("false"), &[], &silent).is_err());
        assert_eq!(ask(Path::new("echo"), &["x"], &silent).unwrap(), "x\n");
    }
}
