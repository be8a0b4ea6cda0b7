use proto::Resource;
use proto::records::v1::{Company, Contact};

use crate::companies::COMPANY;
use crate::contacts::CONTACT;

fn written<R: Resource>() -> Vec<&'static str> {
    let written = R::MEMBERS.iter().filter(|member| !member.output_only).map(|member| member.name);
    let mut written: Vec<_> = written.filter(|name| !["custom", "etag"].contains(name)).collect();
    written.sort_unstable();
    written
}

#[test]
fn an_object_writes_what_the_contract_lets_callers_write() {
    for (object, members) in [(&CONTACT, written::<Contact>()), (&COMPANY, written::<Company>())] {
        let mut writable = object.writable().to_vec();
        writable.sort_unstable();
        assert_eq!(writable, members, "{}", object.name);
    }
}
