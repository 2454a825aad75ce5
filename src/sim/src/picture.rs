//! The timeline as a picture: SVG, alone or in an HTML page, with nothing to load and nothing to run.

use std::fmt::Write as _;
use std::time::Duration;

use crate::plan::{Fault, What};
use crate::report::moment;
use crate::scenario::FaultKind;
use crate::timeline::{Sample, State, Timeline};

/// Where the rows begin, in pixels.
const LEFT: f64 = 110.0;
/// How long they are.
const WIDE: f64 = 1200.0;
/// What is above them.
const TOP: f64 = 98.0;
/// The largest lag that is told apart by its shade, in seconds.
const DARKEST: f64 = 600.0;

/// The colour of a state, and its word.
const fn colour(state: State) -> (&'static str, &'static str) {
    match state {
        State::Down => ("#d9d9d9", "not running"),
        State::Stopped => ("#a58ad0", "standing still"),
        State::Alone => ("#f7e3b0", "knows no leader"),
        State::Agent => ("#eef3f8", "child"),
        State::Backup => ("#9cc7ec", "backup"),
        State::Degraded => ("#f2a65e", "leads without a majority"),
        State::Leader => ("#2f7d4f", "leads"),
    }
}

const STATES: [State; 7] =
    [State::Leader, State::Degraded, State::Backup, State::Agent, State::Alone, State::Stopped, State::Down];

/// The colour of a fault's band, and its word. Cuts are as high as the row, others are a stripe at its top.
const fn band(what: &What) -> (&'static str, &'static str) {
    match what {
        What::Cut(_) | What::Isolate(_) | What::OneWay(..) => CUT,
        other => band_of(other.kind()),
    }
}

const CUT: (&str, &str) = ("#d3222a", "cut off");

const fn band_of(kind: FaultKind) -> (&'static str, &'static str) {
    match kind {
        FaultKind::Network => ("#f08c00", "bad line"),
        FaultKind::Crash => ("#111111", "killed or without power"),
        FaultKind::Clock => ("#c2189b", "wrong clock"),
        FaultKind::Disk => ("#7a4a1e", "bad disk"),
        FaultKind::Slow => ("#5b3fa0", "slow or stopped"),
    }
}

/// An SVG document.
#[must_use]
pub fn svg(timeline: &Timeline, title: &str) -> String {
    let hosts = timeline.areas.len();
    // Two hundred agents are readable on one screen's width; names are written where there is room.
    let row = if hosts > 60 { 7.0 } else { 14.0 };
    let gaps = timeline.areas.iter().flatten().collect::<std::collections::BTreeSet<_>>().len() as f64 * 4.0;
    let high = TOP + row * hosts as f64 + gaps + 40.0;
    let end = timeline.at.last().copied().unwrap_or(Duration::from_secs(1)).max(Duration::from_secs(1));
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {high:.0}\" width=\"{w}\" height=\"{high:.0}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#222\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\
         <text x=\"12\" y=\"20\" font-size=\"15\">{}</text>",
        escaped(title),
        w = LEFT + WIDE + 20.0
    );
    legend(&mut out);
    let place = |at: Duration| LEFT + WIDE * (at.as_secs_f64() / end.as_secs_f64()).min(1.0);
    let mut tops = vec![];
    let mut top = TOP;
    for (host, area) in timeline.areas.iter().enumerate() {
        if host > 0 && timeline.areas.get(host - 1) != Some(area) {
            top += 4.0;
        }
        tops.push(top);
        label(&mut out, timeline, host, top, row);
        bars(&mut out, timeline, host, (top, row), &place);
        top += row;
    }
    for (fault, who) in &timeline.faults {
        mark(&mut out, fault, who, (&tops, row), &place);
    }
    axis(&mut out, end, top, &place);
    out.push_str("</svg>\n");
    out
}

/// The same in a page.
#[must_use]
pub fn html(timeline: &Timeline, title: &str) -> String {
    let (name, picture) = (escaped(title), svg(timeline, title));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title></head>\n\
         <body style=\"margin:0;background:#fff;overflow:auto\">\n{picture}</body></html>\n"
    )
}

fn legend(out: &mut String) {
    let states = STATES.map(colour);
    entries(out, 32.0, "", &states, 12.0);
    let mut bands = vec![CUT];
    bands.extend(FaultKind::ALL.map(band_of));
    entries(out, 52.0, "faults: ", &bands, 6.0);
    out.push_str(
        "<text x=\"12\" y=\"82\">blue at the bottom of a row: for how long the leader lacks a change of this agent, the cloud \
         one of this leader, or this backup or cloud one of anybody; darker is longer · hold the pointer over a fault or a \
         lag to read it</text>",
    );
}

/// One line of the legend.
fn entries(out: &mut String, top: f64, title: &str, entries: &[(&str, &str)], high: f64) {
    let mut x = 12.0;
    if !title.is_empty() {
        let _ = write!(out, "<text x=\"{x:.0}\" y=\"{:.0}\">{title}</text>", top + 10.0);
        x += 44.0;
    }
    for (fill, word) in entries {
        let _ = write!(
            out,
            "<rect x=\"{x:.0}\" y=\"{:.0}\" width=\"14\" height=\"{high:.0}\" fill=\"{fill}\" stroke=\"#999\" \
             stroke-width=\"0.5\"/><text x=\"{:.0}\" y=\"{:.0}\">{word}</text>",
            top + (12.0 - high) / 2.0,
            x + 19.0,
            top + 10.0
        );
        x += 34.0 + word.len() as f64 * 6.2;
    }
}

fn label(out: &mut String, timeline: &Timeline, host: usize, top: f64, row: f64) {
    let area = timeline.areas.get(host).copied().flatten();
    let first = host == 0 || timeline.areas.get(host - 1).copied().flatten() != area;
    let text = match area {
        None => "cloud".to_owned(),
        Some(area) if first => format!("area {} · {host}", area + 1),
        Some(_) if row > 10.0 => host.to_string(),
        Some(_) => return,
    };
    let _ = write!(
        out,
        "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
        LEFT - 6.0,
        top + row.min(12.0) - 1.0
    );
}

/// One row: equal samples are one bar.
fn bars(out: &mut String, timeline: &Timeline, host: usize, (top, row): (f64, f64), place: &dyn Fn(Duration) -> f64) {
    let at = |sample: usize| timeline.at.get(sample).or(timeline.at.last()).copied().unwrap_or_default();
    let of = |sample: usize| timeline.rows.get(sample).and_then(|row| row.get(host)).copied().unwrap_or_default();
    let shade =
        |sample: Sample| if sample.lag <= 2 { 0 } else { (f64::from(sample.lag).min(DARKEST).ln() * 2.0) as u32 };
    let mut begin = 0;
    for next in 1..=timeline.rows.len() {
        let (now, then) = (of(begin), of(next));
        if next < timeline.rows.len() && now.state == then.state && shade(now) == shade(then) {
            continue;
        }
        let (x, width) = (place(at(begin)), place(at(next)) - place(at(begin)));
        let (fill, _) = colour(now.state);
        let _ = write!(
            out,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{fill}\"/>",
            row - 1.0
        );
        if shade(now) > 0 {
            let opacity = 0.25 + 0.05 * f64::from(shade(now));
            let _ = write!(
                out,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"2.5\" fill=\"#123a7a\" opacity=\"{opacity:.2}\">\
                 <title>{} s behind</title></rect>",
                top + row - 3.5,
                now.lag
            );
        }
        begin = next;
    }
}

/// The band of a fault in the row of each agent that it met.
fn mark(out: &mut String, fault: &Fault, who: &[usize], (tops, row): (&[f64], f64), place: &dyn Fn(Duration) -> f64) {
    let (fill, word) = band(&fault.what);
    let (high, opacity) = if word == CUT.1 { (row - 1.0, 0.5) } else { ((row / 3.5).max(2.0), 0.9) };
    let (x, end) = (place(fault.at), place(fault.until));
    for top in who.iter().filter_map(|host| tops.get(*host)) {
        let _ = write!(
            out,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{high:.1}\" fill=\"{fill}\" opacity=\"{opacity}\">\
             <title>{} to {}: {}</title></rect>",
            (end - x).max(1.0),
            moment(fault.at),
            moment(fault.until),
            escaped(&fault.what.to_string())
        );
    }
}

fn axis(out: &mut String, end: Duration, bottom: f64, place: &dyn Fn(Duration) -> f64) {
    for tick in 0..=8u32 {
        let at = Duration::from_secs(end.as_secs() * u64::from(tick) / 8);
        let (x, shown) = (place(at), moment(at));
        let shown = shown.split('.').next().unwrap_or_default();
        let _ = write!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{:.0}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#bbb\" stroke-width=\"0.5\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{shown}{}</text>",
            TOP - 4.0,
            bottom + 6.0,
            bottom + 20.0,
            if shown.ends_with('s') { "" } else { "s" }
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
