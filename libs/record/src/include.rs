//! What `include` asks for: what the caller may do with a record, and the names of what the record refers to.
//!
//! An object declares what can be named ([`Include`]). The references of a record are taken from what its caller sees of it, so that what is
//! hidden is not named either; [`super::names`] then asks for the names of a whole page.

use std::borrow::Cow;

use auth::FieldMask;
use error::{Error, Reason};
use query::list::REFERENCE_BYTES;
use serde_json::Value;
use uuid::Uuid;

use super::view::View;
use super::{Naming, Object};

const ACCESS: &str = "access";
/// Records of every object have an owner.
static OWNER: Include = Include::field("owner", "owner_id");

/// Something that `include` names: a member of `included` in the record's message.
#[derive(Debug)]
pub struct Include {
    pub(crate) name: &'static str,
    pub(crate) source: Source,
}

/// Where the references are.
#[derive(Debug)]
pub(crate) enum Source {
    /// In a field that holds an id, or a list that names records.
    Field(&'static str),
    /// In the first of these fields; the service names it itself, and needs the others for it.
    Own(&'static [&'static str]),
    /// A statement finds them.
    Rows {
        /// Of this object, which is kept here.
        object: &'static str,
        statement: &'static str,
    },
}

impl Include {
    /// What a field names: an id, or a list of them.
    pub const fn field(name: &'static str, field: &'static str) -> Self {
        Self { name, source: Source::Field(field) }
    }

    /// Something that is no record. Its id is in the first of the fields, and the service puts its name into the message itself, for which it
    /// needs the others.
    pub const fn own(name: &'static str, fields: &'static [&'static str]) -> Self {
        Self { name, source: Source::Own(fields) }
    }

    /// Records of an object that is kept here, to which no field refers. `$2` ids of records, `$3` `$4` `$5` the scope of the object:
    /// the pairs of a record and what it refers to, among what is within the scope.
    pub const fn rows(name: &'static str, object: &'static str, statement: &'static str) -> Self {
        Self { name, source: Source::Rows { object, statement } }
    }

    /// The fields of the record that it needs.
    fn fields(&self) -> &[&'static str] {
        match &self.source {
            Source::Field(field) => std::slice::from_ref(field),
            Source::Own(fields) => fields,
            Source::Rows { .. } => &[],
        }
    }

    fn references(&self, object: &Object, view: &View<'_>) -> Vec<Reference> {
        let one = |object: &str, field: &str| {
            let id = view.text(field).and_then(|text| Uuid::try_parse(&text).ok());
            id.map(|id| Reference { object: object.to_owned(), id, is_deleted: false }).into_iter().collect()
        };
        match self.source {
            Source::Rows { .. } => Vec::new(),
            Source::Own(fields) => fields.first().map(|field| one(self.name, field)).unwrap_or_default(),
            Source::Field(field) => {
                let found = object.links().iter().find(|(name, _)| *name == field);
                if let Some((_, target)) = found {
                    return one(target, field);
                }
                let list = object.naming().iter().find(|(name, _)| *name == field);
                list.and_then(|(_, naming)| view.json(field, |value| listed(naming, value)))
                    .unwrap_or_default()
            }
        }
    }
}

/// What a list names, with what it knows of each.
fn listed(naming: &Naming, list: &Value) -> Vec<Reference> {
    let named = (naming.ids)(list);
    // An entry that names nothing is not stored.
    let items = list.as_array().filter(|items| items.len() == named.len());
    let states = items.into_iter().flatten().map(|item| item["deleted"] == true);
    let states = states.chain(std::iter::repeat(false));
    let of = |(named, is_deleted): (super::reference::Reference, bool)| Reference {
        object: named.object,
        id: named.id,
        is_deleted,
    };
    named.into_iter().zip(states).map(of).collect()
}

/// What a record refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) object: String,
    pub(crate) id: Uuid,
    /// The record says that it is in the trash.
    pub(crate) is_deleted: bool,
}

/// What one record of a page refers to, by what was asked for.
#[derive(Debug)]
pub(crate) struct Referred {
    pub(crate) record: Uuid,
    pub(crate) by: Vec<Vec<Reference>>,
}

impl Referred {
    /// What its names take of a page's bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.by.iter().map(Vec::len).sum::<usize>() * REFERENCE_BYTES
    }
}

/// What a request includes.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) access: bool,
    pub(crate) names: Vec<&'static Include>,
}

impl Wanted {
    /// Reads `include`. Errors: 400 `INCLUDE_INVALID`, which says what there is.
    pub(crate) fn parse(object: &'static Object, include: &str) -> Result<Self, Error> {
        let mut wanted = Self::default();
        for name in include.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match known(object).find(|known| known.name == name) {
                Some(found) if wanted.names.iter().all(|wanted| wanted.name != name) => {
                    wanted.names.push(found);
                }
                Some(_) => {}
                None if name == ACCESS => wanted.access = true,
                None => return Err(refused(object)),
            }
        }
        Ok(wanted)
    }

    /// The `fields` asked for, with those that are needed for what is included, as far as the caller sees them.
    pub(crate) fn fields<'f>(&self, fields: &'f str, mask: &FieldMask) -> Cow<'f, str> {
        let needed = self.names.iter().flat_map(|include| include.fields()).filter(|name| !mask.hides(name));
        let needed: Vec<&str> = needed.copied().collect();
        if fields.trim().is_empty() || needed.is_empty() {
            return Cow::Borrowed(fields);
        }
        Cow::Owned(format!("{fields},{}", needed.join(",")))
    }

    /// What a record refers to, as far as its caller sees it. What no field refers to is found later.
    pub(crate) fn referred(&self, object: &Object, record: Uuid, view: &View<'_>) -> Referred {
        Referred { record, by: self.names.iter().map(|include| include.references(object, view)).collect() }
    }
}

fn known(object: &'static Object) -> impl Iterator<Item = &'static Include> {
    object.includes.iter().chain([&OWNER])
}

fn refused(object: &'static Object) -> Error {
    let mut names: Vec<&str> = known(object).map(|include| include.name).chain([ACCESS]).collect();
    names.sort_unstable();
    let text = format!("include takes these names, separated by commas: {}", names.join(", "));
    Error::malformed(Reason::INCLUDE_INVALID, text).with_metadata("parameter", "include")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{CONTACT, record};
    use crate::view::Source as Of;
    use auth::Access;
    use serde_json::json;
    use time::OffsetDateTime;

    fn names(include: &str) -> Result<(bool, Vec<&'static str>), Error> {
        let wanted = Wanted::parse(&CONTACT, include)?;
        Ok((wanted.access, wanted.names.iter().map(|include| include.name).collect()))
    }

    #[test]
    fn include_takes_what_the_object_has_and_says_so() {
        assert_eq!(names("").unwrap(), (false, vec![]));
        assert_eq!(names("access").unwrap(), (true, vec![]));
        assert_eq!(names(" parent, owner ,access,parent,").unwrap(), (true, vec!["parent", "owner"]));
        for wrong in ["company", "parent_id", "Owner", "owner;parent"] {
            let error = names(wrong).unwrap_err();
            assert_eq!(error.reason(), "INCLUDE_INVALID", "{wrong}");
            assert!(error.message().ends_with(": access, owner, parent"), "{}", error.message());
            assert_eq!(error.metadata()["parameter"], "include");
        }
    }

    #[test]
    fn what_is_hidden_is_not_referred_to() {
        let (owner, parent) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let fields = json!({"owner_id": owner.to_string(), "parent_id": parent.to_string()});
        let record = record(1, fields, json!({}));
        let wanted = Wanted::parse(&CONTACT, "owner,parent").unwrap();
        let referred = |mask: &FieldMask| {
            let view =
                View { source: Of::Record(&record), mask, asked: &[], now: OffsetDateTime::UNIX_EPOCH };
            wanted.referred(&CONTACT, record.id, &view)
        };
        let of = |object: &str, id| vec![Reference { object: object.to_owned(), id, is_deleted: false }];
        let all = referred(&FieldMask::default());
        assert_eq!(all.by, [of("user", owner), of("contact", parent)]);
        assert_eq!(all.bytes(), 2 * REFERENCE_BYTES);
        let mask = FieldMask::new([("parent_id".to_owned(), Access::None)]);
        assert_eq!(referred(&mask).by, [of("user", owner), vec![]]);
        assert_eq!(wanted.fields("first_name", &mask), "first_name,owner_id");
        assert_eq!(wanted.fields("first_name", &FieldMask::default()), "first_name,owner_id,parent_id");
        assert_eq!(wanted.fields(" ", &mask), " ", "all of them already");
    }

    #[test]
    fn a_list_says_which_of_its_records_are_in_the_trash() {
        static LINKS: Naming = Naming {
            ids: |list| {
                let ids = list.as_array().unwrap().iter().filter_map(|item| {
                    let id = Uuid::try_parse(item["id"].as_str()?).ok()?;
                    let (object, pointer) = ("deal".to_owned(), String::new());
                    Some(crate::reference::Reference { object, id, pointer })
                });
                ids.collect()
            },
            holders: "",
            follow: |list, _, _, _| list.clone(),
            known: |_, list| list,
        };
        let item = |n: u128, deleted: bool| json!({"id": Uuid::from_u128(n).to_string(), "deleted": deleted});
        let states = |list: Value| {
            listed(&LINKS, &list).iter().map(|r| (r.id.as_u128(), r.is_deleted)).collect::<Vec<_>>()
        };
        assert_eq!(states(json!([item(1, false), item(2, true)])), [(1, false), (2, true)]);
        assert_eq!(
            states(json!([{"id": "none"}, item(2, true)])),
            [(2, false)],
            "which is which is not known"
        );
        assert_eq!(states(json!([])), []);
    }
}
