//! What a dashboard is made of.

/// A page of Grafana.
#[derive(Debug)]
pub(super) struct Dashboard {
    /// The name of its file, and the end of its id.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// For whom it is, and what they see.
    pub(super) about: &'static str,
    /// What a person chooses at its head.
    pub(super) choices: Vec<Choice>,
    pub(super) rows: Vec<Row>,
}

/// Values of a label to choose from; new ones are there by themselves.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// `label_values(…)`
    pub(super) query: &'static str,
    /// What of a value is chosen; all of it when empty.
    pub(super) part: &'static str,
    /// Several at once, and all to begin with.
    pub(super) several: bool,
}

/// Panels under one heading.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// One drawing.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// What is seen and when to worry.
    pub(super) about: &'static str,
    pub(super) look: Look,
    pub(super) unit: Unit,
    pub(super) queries: Vec<Query>,
}

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Lines over time.
    Lines,
    /// Areas on each other.
    Stack,
    /// One number.
    Number,
}

/// What the numbers count, as Grafana calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    PerSecond,
    Seconds,
    /// Of 1.
    Share,
}

impl Unit {
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::PerSecond => "cps",
            Self::Seconds => "s",
            Self::Share => "percentunit",
        }
    }
}

/// What Prometheus is asked, and what a line is called.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) expr: String,
    pub(super) legend: &'static str,
}

/// Lines over time.
pub(super) fn lines(title: &'static str, unit: Unit, about: &'static str, queries: Vec<Query>) -> Panel {
    Panel { title, about, look: Look::Lines, unit, queries }
}

/// Areas on each other, whose height is their sum.
pub(super) fn stack(title: &'static str, unit: Unit, about: &'static str, queries: Vec<Query>) -> Panel {
    Panel { title, about, look: Look::Stack, unit, queries }
}

/// One number.
pub(super) fn number(title: &'static str, unit: Unit, about: &'static str, expr: &str) -> Panel {
    Panel { title, about, look: Look::Number, unit, queries: vec![ask(expr, "")] }
}

/// A query; `{{label}}` in the legend is the value of a label.
pub(super) fn ask(expr: &str, legend: &'static str) -> Query {
    Query { expr: expr.to_owned(), legend }
}

/// The rate of a counter, by labels.
pub(super) fn rate(by: &str, counter: &str) -> String {
    format!("sum by ({by}) (rate({counter}[$__rate_interval]))")
}

/// The same where the counter may have nothing to say: 0.
pub(super) fn rate_or_none(by: &str, counter: &str) -> String {
    format!("{} or on() vector(0)", rate(by, counter))
}

/// The median, the 95th and the 99th percentile of a histogram: its name without `_bucket`, and its labels.
pub(super) fn percentiles(histogram: &str, labels: &str) -> Vec<Query> {
    [("0.5", "median"), ("0.95", "95 %"), ("0.99", "99 %")]
        .map(|(share, legend)| Query { expr: quantile(share, "", histogram, labels), legend })
        .into()
}

/// A percentile of a histogram by labels; `by` ends with a comma unless it is empty.
pub(super) fn quantile(share: &str, by: &str, histogram: &str, labels: &str) -> String {
    format!(
        "histogram_quantile({share}, sum by ({by}le) (rate({histogram}_bucket{{{labels}}}[$__rate_interval])))"
    )
}

/// A query with the label `service` taken from the method that is called: `globcrm.records.v1.…` is of `records`.
pub(super) fn by_service(of: &str) -> String {
    format!(r#"label_replace({of}, "service", "$1", "rpc_method", "globcrm[.]([a-z_]+)[.].+")"#)
}
