//! The schemas of the Kubernetes API, which a package of Python has.

use serde_json::Value;

use crate::python::Python;

/// The oldest that the chart takes, that of the cluster it is tried on, and the newest whose schemas the package has.
pub const VERSIONS: [&str; 3] = ["1.30.0", "1.34.0", "1.37.0"];

const VALIDATOR: Python = Python {
    script: "chart/api/validate.py",
    requirements: "chart/api/requirements.txt",
    packages: "kubernetes-schemas-1.37.0",
};

/// What is wrong with objects.
#[derive(Debug)]
pub struct Report {
    /// `Kind/name: what`.
    pub errors: Vec<String>,
    /// `group/version/Kind` that the version has no schema for.
    pub unknown: Vec<String>,
}

/// Holds objects against the schemas of a version.
pub fn validate(version: &str, objects: &[Value]) -> Report {
    let answer = VALIDATOR.ask(&[version], &serde_json::to_vec(objects).unwrap());
    let answer = answer.unwrap_or_else(|said| panic!("the program validated nothing:\n{said}"));
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let texts = |name: &str| {
        let items = answer[name].as_array().unwrap();
        items.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    Report { errors: texts("errors"), unknown: texts("unknown") }
}
