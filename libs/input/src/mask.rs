//! Which members of a resource a call writes.

use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost_types::FieldMask;
use proto::{Member, Resource};

use crate::{Violations, pointer};

/// The members that a call writes, in the order of their numbers, each once. Never one that only the service sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(Vec<&'static str>);

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
        Self::naming::<R>(|member| numbers.contains(&member.number))
    }

    /// The members that an update mask names; without one, those that are set. See the README for what a path means; one that
    /// names no member is a violation.
    pub fn read<R: Resource>(mask: Option<FieldMask>, sent: &R, violations: &mut Violations) -> Self {
        let Some(FieldMask { mut paths }) = mask else { return Self::of(sent) };
        paths.sort_unstable();
        paths.dedup();
        for path in paths.iter().filter(|path| !R::MEMBERS.iter().any(|member| is_named(member, path))) {
            violations.unknown(pointer(path));
        }
        Self::naming::<R>(|member| paths.iter().any(|path| is_named(member, path)))
    }

    fn naming<R: Resource>(is_named: impl Fn(&Member) -> bool) -> Self {
        let named = R::MEMBERS.iter().filter(|member| !member.output_only && is_named(member));
        Self(named.map(|member| member.name).collect())
    }

    /// Whether the call writes the member.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// The members.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

fn is_named(member: &Member, path: &str) -> bool {
    match path.strip_prefix(member.name) {
        Some("") => true,
        Some(rest) => member.json_object && rest.starts_with('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proto::identity::v1::User;
    use proto::records::v1::Contact;

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
        assert_eq!(Mask::of(&sent), Mask::default());
    }

    #[test]
    fn a_path_into_a_json_object_counts_as_the_object_and_no_other_does() {
        let (names, found) = read(&["custom.seats", "external_ids.erp", "customs"], &Contact::default());
        assert_eq!(names, ["custom"]);
        let pointers: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/customs", "/external_ids/erp"]);
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
        assert_eq!(Mask::read(Some(FieldMask::default()), &sent, &mut violations), Mask::default());
        assert!(violations.is_empty());
    }
}
