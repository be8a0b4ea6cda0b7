//! Which members of a resource a call writes.

use std::collections::{BTreeMap, BTreeSet};

use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost_types::FieldMask;
use proto::{Inside, Member, Resource};

use crate::{Violations, pointer};

/// The members that a call writes, in the order of their numbers, each once. Never one that only the service sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    names: Vec<&'static str>,
    /// Those of them of which single members are written.
    parts: BTreeMap<&'static str, BTreeSet<String>>,
    /// There was no mask: of each object, what is set is written.
    merges: bool,
}

/// What of a member is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'m> {
    /// All of it: it is replaced.
    Whole,
    /// Of an object, these members; one that is not set is removed.
    Named(&'m BTreeSet<String>),
    /// Of an object, the members that are set.
    Set,
}

impl Mask {
    /// The members that are set.
    pub fn of<R: Resource>(sent: &R) -> Self {
        let mut numbers = Vec::new();
        let wire = sent.encode_to_vec();
        let mut rest = wire.as_slice();
        // Decoding what was just encoded cannot fail.
        while let Ok((number, wire_type)) = decode_key(&mut rest) {
            numbers.push(number);
            if skip_field(wire_type, number, &mut rest, DecodeContext::default()).is_err() {
                break;
            }
        }
        let names = writable::<R>().filter(|member| numbers.contains(&member.number));
        Self { names: names.map(|member| member.name).collect(), parts: BTreeMap::new(), merges: true }
    }

    /// The members that an update mask names; without one, those that are set. See the README for what a path means; one that
    /// names no member is a violation.
    pub fn read<R: Resource>(mask: Option<FieldMask>, sent: &R, violations: &mut Violations) -> Self {
        let Some(FieldMask { mut paths }) = mask else { return Self::of(sent) };
        paths.sort_unstable();
        paths.dedup();
        let (mut whole, mut parts) = (BTreeSet::new(), BTreeMap::<&'static str, BTreeSet<String>>::new());
        for path in &paths {
            match R::MEMBERS.iter().find_map(|member| Some((member, named(member, path)?))) {
                Some((member, Named::Whole)) => drop(whole.insert(member.name)),
                Some((member, Named::Key(key))) => drop(parts.entry(member.name).or_default().insert(key)),
                None => violations.unknown(pointer(path)),
            }
        }
        parts.retain(|name, _| !whole.contains(name));
        let is_named = |member: &&Member| whole.contains(member.name) || parts.contains_key(member.name);
        let names = writable::<R>().filter(is_named).map(|member| member.name).collect();
        Self { names, parts, merges: false }
    }

    /// Whether the call writes the member, or a part of it.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// What of a member that it has the call writes.
    pub fn part(&self, name: &str) -> Part<'_> {
        match self.parts.get(name) {
            Some(keys) => Part::Named(keys),
            None if self.merges => Part::Set,
            None => Part::Whole,
        }
    }

    /// The members.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }
}

fn writable<R: Resource>() -> impl Iterator<Item = &'static Member> {
    R::MEMBERS.iter().filter(|member| !member.output_only)
}

/// What a path names of a member.
enum Named {
    Whole,
    Key(String),
}

/// What a path names of the member; `None`: nothing.
fn named(member: &Member, path: &str) -> Option<Named> {
    let rest = path.strip_prefix(member.name)?;
    if rest.is_empty() {
        return Some(Named::Whole);
    }
    let key = key(rest.strip_prefix('.')?)?;
    let is_there = match member.inside {
        Inside::Nothing => false,
        Inside::Json | Inside::Keys => true,
        Inside::Members(names) => names.contains(&key.as_str()),
    };
    is_there.then_some(Named::Key(key))
}

/// The key at the end of a path. Between backticks it may be any text, with two of them for one (AIP-161).
fn key(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('`') else {
        return (!text.is_empty() && !text.contains(['.', '`'])).then(|| text.to_owned());
    };
    let inner = quoted.strip_suffix('`')?;
    let key = inner.replace("``", "\0");
    (!key.contains('`')).then(|| key.replace('\0', "`"))
}

#[cfg(test)]
mod tests {
    use proto::identity::v1::User;
    use proto::records::v1::{Company, Contact};

    use super::*;

    fn read<R: Resource>(paths: &[&str], sent: &R) -> (Vec<&'static str>, Vec<(String, String)>) {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut violations = Violations::default();
        let mask = Mask::read(Some(FieldMask { paths }), sent, &mut violations);
        let found = violations.iter().map(|v| (v.pointer.clone(), v.reason.to_string())).collect();
        (mask.names().to_vec(), found)
    }

    #[test]
    fn a_path_that_is_not_a_member_is_unknown_at_its_pointer() {
        let paths = ["shoe_size", "display_name", "email.domain", "*", "", "display_name", "shoe_size"];
        let (names, found) = read(&paths, &User::default());
        assert_eq!(names, ["display_name"]);
        let unknown = |pointer: &str| (pointer.to_owned(), "UNKNOWN_FIELD".to_owned());
        assert_eq!(found, ["/", "/*", "/email/domain", "/shoe_size"].map(unknown));
    }

    #[test]
    fn members_that_only_the_service_sets_are_ignored() {
        let sent = User { id: "x".to_owned(), version: 7, ..User::default() };
        let paths = ["id", "version", "state", "created_at", "updated_at", "invitation_token", "email"];
        assert_eq!(read(&paths, &sent), (vec!["email"], vec![]));
        assert_eq!(Mask::of(&sent).names(), Mask::default().names());
    }

    #[test]
    fn a_path_into_an_object_names_a_part_of_it_and_into_anything_else_nothing() {
        let paths = [
            "custom.seats",
            "external_ids.erp",
            "external_ids.`a.b``c`",
            "customs",
            "tags.x",
            "emails.address",
            "custom.a.b",
            "external_ids.`x",
            "external_ids.",
        ];
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut violations = Violations::default();
        let mask = Mask::read(Some(FieldMask { paths }), &Contact::default(), &mut violations);
        assert_eq!(mask.names(), ["external_ids", "custom"]);
        let keys = BTreeSet::from(["a.b`c".to_owned(), "erp".to_owned()]);
        assert_eq!(mask.part("external_ids"), Part::Named(&keys));
        assert_eq!(mask.part("custom"), Part::Named(&BTreeSet::from(["seats".to_owned()])));
        let pointers: BTreeSet<_> = violations.iter().map(|v| v.pointer.as_str()).collect();
        let unknown =
            ["/custom/a/b", "/customs", "/emails/address", "/external_ids/", "/external_ids/`x", "/tags/x"];
        assert_eq!(pointers, unknown.into());
    }

    #[test]
    fn a_path_to_the_whole_wins_over_one_into_it_and_members_of_a_message_are_known() {
        let read = |paths: &[&str]| {
            let mut violations = Violations::default();
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            let mask = Mask::read(Some(FieldMask { paths }), &Company::default(), &mut violations);
            (mask, violations.iter().count())
        };
        let (mask, unknown) = read(&["external_ids.erp", "external_ids", "annual_revenue.currency"]);
        assert_eq!((mask.part("external_ids"), unknown), (Part::Whole, 0));
        assert_eq!(mask.part("annual_revenue"), Part::Named(&BTreeSet::from(["currency".to_owned()])));
        assert_eq!(read(&["annual_revenue.amount"]).1, 1);
    }

    #[test]
    fn without_a_mask_what_is_set_is_written_and_an_empty_mask_names_nothing() {
        let sent = Contact {
            first_name: Some(String::new()),
            do_not_call: true,
            tags: vec!["a".to_owned(), "b".to_owned()],
            external_ids: [("erp".to_owned(), "1".to_owned())].into(),
            custom: "{}".into(),
            full_name: Some("computed".to_owned()),
            ..Contact::default()
        };
        let mut violations = Violations::default();
        let names = Mask::read(None, &sent, &mut violations);
        assert_eq!(names.names(), ["external_ids", "tags", "first_name", "do_not_call", "custom"]);
        assert_eq!(names.part("external_ids"), Part::Set);
        assert_eq!(Mask::read(Some(FieldMask::default()), &sent, &mut violations), Mask::default());
        assert!(violations.is_empty());
    }
}
