//! Documents that are worth starting from, as files below `templates/`.

use error::Error;
use serde::Deserialize;

use super::Document;

/// The template of a new organization's pipeline.
pub(crate) const FIRST: &str = "b2b_sales";

/// A document to start from.
#[derive(Deserialize, Debug)]
pub(crate) struct Template {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) document: Document,
}

const FILES: [&str; 6] = [
    include_str!("../../templates/b2b_sales.json"),
    include_str!("../../templates/saas_subscription.json"),
    include_str!("../../templates/real_estate.json"),
    include_str!("../../templates/recruiting.json"),
    include_str!("../../templates/consulting.json"),
    include_str!("../../templates/fundraising.json"),
];

/// All templates. They are part of the program, so a test reads them and an error is a defect.
pub(crate) fn templates() -> Result<Vec<Template>, Error> {
    let read = |file: &&str| {
        let template: Template = serde_json::from_str(file).map_err(Error::internal)?;
        Ok(Template { document: template.document.completed(), ..template })
    };
    FILES.iter().map(read).collect()
}

/// The template of a key.
pub(crate) fn template(key: &str) -> Result<Option<Template>, Error> {
    Ok(templates()?.into_iter().find(|template| template.key == key))
}

#[cfg(test)]
mod tests {
    use super::super::problems;
    use super::*;
    use crate::fields::is_standard;

    #[test]
    fn each_can_be_published_as_it_is_and_has_a_key_of_its_own() {
        let all = templates().unwrap();
        for template in &all {
            let found = problems(&template.document, &is_standard);
            assert!(found.is_empty(), "{}: {found:?}", template.key);
            assert!(template.description.len() > 20 && !template.name.is_empty());
        }
        let mut keys: Vec<_> = all.iter().map(|template| template.key.as_str()).collect();
        assert!(keys.contains(&FIRST));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), FILES.len());
    }
}
