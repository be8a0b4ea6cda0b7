//! A dashboard as Grafana reads it.

use serde_json::{Value, json};

use super::panel::{Choice, Dashboard, Look, Panel};

/// The width of a page and of a panel, and heights, in Grafana's units.
const PAGE: usize = 24;
const WIDTH: usize = 8;
const HEIGHT: usize = 8;
const HEADING: usize = 1;
/// The version of Grafana's own format (Grafana 10 and later read it).
const SCHEMA: u32 = 39;

/// The dashboard.
pub(super) fn of(dashboard: &Dashboard) -> Value {
    let mut panels: Vec<Value> = Vec::new();
    let mut y = 0;
    for row in &dashboard.rows {
        panels.push(json!({
            "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": y, "w": PAGE, "h": HEADING}, "id": panels.len() + 1,
        }));
        y += HEADING;
        for (at, panel) in row.panels.iter().enumerate() {
            let place = (at % (PAGE / WIDTH) * WIDTH, y + at / (PAGE / WIDTH) * HEIGHT);
            panels.push(drawn(panel, place, panels.len() + 1));
        }
        y += row.panels.len().div_ceil(PAGE / WIDTH) * HEIGHT;
    }
    let mut choices = vec![json!({
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
    })];
    choices.extend(dashboard.choices.iter().map(choice));
    json!({
        "uid": format!("globcrm-{}", dashboard.name),
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["globcrm"],
        "editable": false,
        "schemaVersion": SCHEMA,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "graphTooltip": 1,
        "links": [{"type": "dashboards", "title": "GlobCRM", "tags": ["globcrm"], "asDropdown": true, "keepTime": true}],
        "templating": {"list": choices},
        "annotations": {"list": []},
        "panels": panels,
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn choice(choice: &Choice) -> Value {
    let all = json!({"text": "All", "value": "$__all", "selected": true});
    json!({
        "name": choice.name,
        "label": choice.label,
        "type": "query",
        "datasource": source(),
        "query": {"query": choice.query, "refId": choice.name},
        "definition": choice.query,
        "regex": choice.part,
        "refresh": 2,
        "sort": 1,
        "multi": choice.several,
        "includeAll": choice.several,
        "allValue": if choice.several { json!(".+") } else { Value::Null },
        "current": if choice.several { all } else { json!({}) },
    })
}

fn drawn(panel: &Panel, (x, y): (usize, usize), id: usize) -> Value {
    let targets = panel.queries.iter().zip('A'..).map(|(query, name)| {
        json!({
            "refId": name.to_string(), "datasource": source(), "expr": query.expr, "legendFormat": query.legend,
            "instant": panel.look == Look::Number, "range": panel.look != Look::Number, "editorMode": "code",
        })
    });
    let (kind, custom, options) = match panel.look {
        Look::Number => (
            "stat",
            json!({}),
            json!({"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false}, "graphMode": "none"}),
        ),
        Look::Lines | Look::Stack => {
            let stacking = if panel.look == Look::Stack { "normal" } else { "none" };
            let fill = if panel.look == Look::Stack { 30 } else { 0 };
            (
                "timeseries",
                json!({"lineWidth": 1, "fillOpacity": fill, "showPoints": "never", "stacking": {"mode": stacking, "group": "A"}}),
                json!({
                    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
                    "tooltip": {"mode": "multi", "sort": "desc"},
                }),
            )
        }
    };
    json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": source(),
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit.id(), "min": 0, "custom": custom}, "overrides": []},
        "options": options,
        "targets": targets.collect::<Vec<_>>(),
    })
}
