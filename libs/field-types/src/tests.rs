mod properties;
mod scalars;
mod tables;

use crate::FieldOption;

pub(crate) fn options() -> Vec<FieldOption> {
    let option =
        |key: &str, label: &str, retired| FieldOption { key: key.into(), label: label.into(), retired };
    vec![option("gold", "Gold", false), option("silver", "Silber", false), option("tin", "Tin", true)]
}
