//! Finds the method of a verb and a path: a tree of segments.

use std::borrow::Cow;
use std::fmt;

use crate::percent;

/// Paths with more segments match nothing.
const MAX_SEGMENTS: usize = 16;

/// The HTTP methods that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    Delete,
    Get,
    Patch,
    Post,
    Put,
}

impl Verb {
    /// In capitals, as HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Delete, Self::Get, Self::Patch, Self::Post, Self::Put].into_iter().find(|v| v.as_str() == text)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The values of a path's parameters, decoded, in the order of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathParams<'p>(pub(crate) Vec<Cow<'p, str>>);

impl PathParams<'_> {
    /// The value of the parameter at this place of the path, from 0.
    pub fn get(&self, at: usize) -> Option<&str> {
        self.0.get(at).map(AsRef::as_ref)
    }
}

/// What the tree says of a request; methods are places in the list of methods.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Match<'p> {
    Found(usize, PathParams<'p>),
    MethodNotAllowed(Vec<Verb>),
    Malformed,
    NotFound,
}

/// Why a path cannot be added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RouteError {
    Template(&'static str),
    /// The place of the method that has it.
    Taken(usize),
}

/// The tree.
#[derive(Debug, Default)]
pub(crate) struct Router {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted by text.
    literals: Vec<(Box<str>, Node)>,
    parameter: Option<Box<Node>>,
    ends: Vec<End>,
}

/// A path that ends here.
#[derive(Debug)]
struct End {
    /// `:restore` of `{id}:restore`, `.ics` of `{id}.ics`.
    suffix: Option<(Mark, Box<str>)>,
    verb: Verb,
    method: usize,
}

/// What stands between a segment and its suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Before a verb.
    Colon,
    /// Before the form in which a parameter's resource is given.
    Dot,
}

/// Names of the parameters of a template, in order.
pub(crate) fn parameters(template: &str) -> Vec<String> {
    let names = template.split('{').skip(1).filter_map(|part| part.split_once('}'));
    names.map(|(name, _)| name.to_owned()).collect()
}

impl Router {
    pub(crate) fn insert(&mut self, verb: Verb, template: &str, method: usize) -> Result<(), RouteError> {
        let path = template.strip_prefix('/').ok_or(RouteError::Template("must begin with `/`"))?;
        let (path, suffix) = match (path.rsplit_once(':'), path.rfind("}.")) {
            (Some((path, verb)), _) => (path, Some((Mark::Colon, verb))),
            (None, Some(at)) => (&path[..=at], Some((Mark::Dot, &path[at + 2..]))),
            (None, None) => (path, None),
        };
        if suffix.is_some_and(|(_, word)| word.is_empty() || word.contains(['/', '{', '}', '.'])) {
            return Err(RouteError::Template(
                "`:verb` stands at the end, and so does `.form` of a parameter",
            ));
        }
        if path.split('/').count() > MAX_SEGMENTS {
            return Err(RouteError::Template("has too many segments"));
        }
        let mut node = &mut self.root;
        for segment in path.split('/') {
            node = node.child(segment)?;
        }
        if let Some(end) = node.ends.iter().find(|e| e.verb == verb && e.suffix() == suffix) {
            return Err(RouteError::Taken(end.method));
        }
        let suffix = suffix.map(|(mark, word)| (mark, word.into()));
        node.ends.push(End { suffix, verb, method });
        Ok(())
    }

    /// `path` as it came, without the query.
    pub(crate) fn find<'p>(&self, verb: &str, path: &'p str) -> Match<'p> {
        let Some(path) = path.strip_prefix('/') else { return Match::NotFound };
        let mut segments = [""; MAX_SEGMENTS];
        let mut count = 0;
        for segment in path.split('/') {
            if segment.is_empty() || count == MAX_SEGMENTS {
                return Match::NotFound;
            }
            segments[count] = segment;
            count += 1;
        }
        let last = segments[count - 1];
        let mut allow = Vec::new();
        // Clients encode the colon before a verb too. It is one before a verb that the method has there, and else part of a value; nothing is
        // decoded before it is known which part is a value.
        for cut in [at_encoded_colon(last), at_dot(last), Some(at_colon(last))].into_iter().flatten() {
            let (stem, suffix) = cut;
            segments[count - 1] = stem;
            let mut search = Search { verb: Verb::parse(verb), suffix, allow: Vec::new() };
            let mut values = Vec::new();
            if let Some(method) = search.walk(&self.root, &segments[..count], &mut values) {
                return decoded(method, &values);
            }
            allow.append(&mut search.allow);
        }
        if allow.is_empty() {
            return Match::NotFound;
        }
        allow.sort_unstable();
        allow.dedup();
        Match::MethodNotAllowed(allow)
    }
}

/// The last segment without its suffix, and the suffix.
type Cut<'p> = (&'p str, Option<(Mark, &'p str)>);

impl End {
    fn suffix(&self) -> Option<(Mark, &str)> {
        self.suffix.as_ref().map(|(mark, word)| (*mark, &**word))
    }
}

fn at_colon(segment: &str) -> Cut<'_> {
    segment.rsplit_once(':').map_or((segment, None), |(stem, verb)| (stem, Some((Mark::Colon, verb))))
}

fn at_dot(segment: &str) -> Option<Cut<'_>> {
    segment.rsplit_once('.').map(|(stem, form)| (stem, Some((Mark::Dot, form))))
}

/// At the last colon, if that is encoded.
fn at_encoded_colon(segment: &str) -> Option<Cut<'_>> {
    let at = segment.rfind("%3A").max(segment.rfind("%3a"))?;
    let (stem, verb) = (&segment[..at], &segment[at + 3..]);
    (!verb.contains(':')).then_some((stem, Some((Mark::Colon, verb))))
}

fn decoded<'p>(method: usize, values: &[&'p str]) -> Match<'p> {
    let mut params = Vec::with_capacity(values.len());
    for value in values {
        match percent::decode(value) {
            // No resource has such a name, and no database keeps it.
            Some(text) if text.is_empty() || text.contains('\0') => return Match::NotFound,
            Some(text) => params.push(text),
            None => return Match::Malformed,
        }
    }
    Match::Found(method, PathParams(params))
}

impl Node {
    fn child(&mut self, segment: &str) -> Result<&mut Self, RouteError> {
        if let Some(name) = segment.strip_prefix('{') {
            let name =
                name.strip_suffix('}').ok_or(RouteError::Template("a parameter is a whole segment"))?;
            if name.is_empty() || name.contains(['{', '}', '=', '*', '.']) {
                return Err(RouteError::Template("a parameter is the name of a field"));
            }
            return Ok(self.parameter.get_or_insert_default());
        }
        if segment.is_empty() || segment.contains(['{', '}', '*', '%', ':']) {
            return Err(RouteError::Template("a segment is a word or a parameter"));
        }
        let at = match self.literals.binary_search_by(|(text, _)| (**text).cmp(segment)) {
            Ok(at) => at,
            Err(at) => {
                self.literals.insert(at, (segment.into(), Self::default()));
                at
            }
        };
        Ok(&mut self.literals[at].1)
    }
}

struct Search<'s> {
    verb: Option<Verb>,
    suffix: Option<(Mark, &'s str)>,
    allow: Vec<Verb>,
}

impl Search<'_> {
    /// Words go before parameters; `values` holds the parameters on the way to the method found.
    fn walk<'p>(&mut self, node: &Node, segments: &[&'p str], values: &mut Vec<&'p str>) -> Option<usize> {
        let Some((segment, rest)) = segments.split_first() else {
            let fitting = node.ends.iter().filter(|end| end.suffix() == self.suffix);
            for end in fitting {
                if Some(end.verb) == self.verb {
                    return Some(end.method);
                }
                self.allow.push(end.verb);
            }
            return None;
        };
        if let Ok(at) = node.literals.binary_search_by(|(text, _)| (**text).cmp(segment))
            && let Some(method) = self.walk(&node.literals[at].1, rest, values)
        {
            return Some(method);
        }
        let parameter = node.parameter.as_ref()?;
        values.push(segment);
        let found = self.walk(parameter, rest, values);
        if found.is_none() {
            values.pop();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(Verb, &str)]) -> Router {
        let mut router = Router::default();
        for (at, (verb, path)) in routes.iter().enumerate() {
            router.insert(*verb, path, at).unwrap();
        }
        router
    }

    fn found(method: usize, params: &[&'static str]) -> Match<'static> {
        Match::Found(method, PathParams(params.iter().map(|p| Cow::Borrowed(*p)).collect()))
    }

    #[test]
    fn words_go_before_parameters_and_parameters_catch_the_rest() {
        let router = router(&[(Verb::Get, "/a/b/c"), (Verb::Get, "/a/{x}/d"), (Verb::Post, "/a/b/{y}")]);
        assert_eq!(router.find("GET", "/a/b/c"), found(0, &[]));
        assert_eq!(router.find("GET", "/a/b/d"), found(1, &["b"]));
        assert_eq!(router.find("POST", "/a/b/c"), found(2, &["c"]));
        assert_eq!(router.find("PUT", "/a/b/c"), Match::MethodNotAllowed(vec![Verb::Get, Verb::Post]));
    }

    #[test]
    fn a_verb_suffix_is_no_part_of_the_parameter() {
        let router = router(&[
            (Verb::Get, "/a/{id}"),
            (Verb::Post, "/a/{id}:restore"),
            (Verb::Post, "/a:go"),
            (Verb::Get, "/a/{id}:see"),
        ]);
        assert_eq!(router.find("POST", "/a/1:restore"), found(1, &["1"]));
        assert_eq!(router.find("POST", "/a:go"), found(2, &[]));
        assert_eq!(router.find("GET", "/a/1:restore"), Match::MethodNotAllowed(vec![Verb::Post]));
        for path in ["/a/1%3Arestore", "/a/1%3arestore", "/a%3Ago"] {
            assert!(matches!(router.find("POST", path), Match::Found(..)), "{path}");
        }
        assert_eq!(router.find("POST", "/a/1%3Arestore"), found(1, &["1"]));
        assert_eq!(router.find("POST", "/a/x%3Ay%3arestore"), found(1, &["x:y"]));
        assert_eq!(router.find("POST", "/a/x:y%3Arestore"), found(1, &["x:y"]));
        assert_eq!(router.find("POST", "/a/x%3Ay:restore"), found(1, &["x:y"]));
        assert_eq!(router.find("GET", "/a/x%3Ay%3Asee"), found(3, &["x:y"]));
        // What is no verb of the method is a value.
        assert_eq!(router.find("GET", "/a/1%3Arestore"), found(0, &["1:restore"]));
        assert_eq!(router.find("GET", "/a/1%3Aother"), found(0, &["1:other"]));
        // Nothing else is decoded to find a verb, and nothing twice.
        for path in ["/a/1%253Arestore", "/a/1%3Are%73tore", "/a/1%3Arestore%20", "/a/1%3Aother"] {
            assert_eq!(router.find("POST", path), Match::MethodNotAllowed(vec![Verb::Get]), "{path}");
        }
        assert_eq!(router.find("POST", "/a/1%3Asee"), Match::MethodNotAllowed(vec![Verb::Get]));
        for path in ["/a/%3Arestore", "/a%3A", "/a%3Aother", "/a%2F1:restore"] {
            assert_eq!(router.find("POST", path), Match::NotFound, "{path}");
        }
        for path in ["/a/1:other", "/a/:restore", "/a:", "/a/1:"] {
            assert_eq!(router.find("POST", path), Match::NotFound, "{path}");
        }
    }

    #[test]
    fn a_form_is_no_part_of_the_parameter() {
        let router = router(&[
            (Verb::Get, "/a/{id}"),
            (Verb::Get, "/a/{id}.ics"),
            (Verb::Post, "/a/{id}:see"),
            (Verb::Get, "/b/{token}.ics"),
        ]);
        assert_eq!(router.find("GET", "/a/1.ics"), found(1, &["1"]));
        assert_eq!(router.find("GET", "/a/x.y.ics"), found(1, &["x.y"]));
        assert_eq!(router.find("GET", "/a/x%2Fy.ics"), found(1, &["x/y"]));
        // Any other is a part of the value.
        for id in ["1", "1.", "x.y", "1.ICS", "1.icsx", "ics"] {
            assert_eq!(router.find("GET", &format!("/a/{id}")), Match::Found(0, PathParams(vec![id.into()])));
        }
        assert_eq!(router.find("POST", "/a/1.ics:see"), found(2, &["1.ics"]));
        assert_eq!(router.find("POST", "/b/1.ics"), Match::MethodNotAllowed(vec![Verb::Get]));
        for path in ["/b/1", "/b/.ics", "/b/1.ics/", "/b/1.ics.", "/b/1:ics"] {
            assert_eq!(router.find("GET", path), Match::NotFound, "{path}");
        }
    }

    #[test]
    fn parameters_are_decoded_and_must_be_text() {
        let router = router(&[(Verb::Get, "/a/{id}")]);
        assert_eq!(router.find("GET", "/a/x%2Fy"), found(0, &["x/y"]));
        assert_eq!(router.find("GET", "/a/%ff"), Match::Malformed);
        assert_eq!(router.find("GET", "/a/%0"), Match::Malformed);
        for path in ["/a/", "/a//", "//a/b", "a/b", "", "/", "/a/b/", "/a/x%00"] {
            assert_eq!(router.find("GET", path), Match::NotFound, "{path}");
        }
        assert_eq!(router.find("GET", &"/a".repeat(40)), Match::NotFound);
        assert_eq!(router.find("BREW", "/a/b"), Match::MethodNotAllowed(vec![Verb::Get]));
    }

    #[test]
    fn the_same_path_twice_and_odd_templates_are_refused() {
        let mut router = router(&[(Verb::Get, "/a/{id}")]);
        assert_eq!(router.insert(Verb::Get, "/a/{other}", 1), Err(RouteError::Taken(0)));
        for path in [
            "a",
            "/a//b",
            "/a/{b",
            "/a/x{b}",
            "/a/{b=**}",
            "/a/*",
            "/a:b/c",
            "/a/{}",
            "/a:",
            "/a/{x}.",
            "/a/{x}.b/c",
            "/a/{x}.b.c",
        ] {
            assert!(matches!(router.insert(Verb::Put, path, 1), Err(RouteError::Template(_))), "{path}");
        }
    }
}
