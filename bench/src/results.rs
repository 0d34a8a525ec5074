//! One table and one file from the results of one run of `bench/fanout` or `bench/hls`.

use anyhow::Context as _;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// What the floor is called among the results.
const FLOOR: &str = "floor";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A directory with files NAME-VIEWERS.json, as `whep-load`, `hls-load` and `floor` print them
    directory: PathBuf,
    /// Write everything and the facts about this machine into this file, too
    #[arg(long)]
    save: Option<PathBuf>,
    /// What else is to be known about the run, KEY=VALUE
    #[arg(long)]
    note: Vec<String>,
}

/// Results by number of viewers and name.
type Results = BTreeMap<(usize, String), Value>;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let results = read(&arguments.directory)?;
    print(&table(&results))?;
    if let Some(path) = &arguments.save {
        let notes: BTreeMap<&str, &str> =
            arguments.note.iter().filter_map(|n| n.split_once('=')).collect();
        let list: Vec<Value> = results
            .iter()
            .map(|((viewers, name), result)| json!({ "server": name, "viewers": viewers, "result": result }))
            .collect();
        let all = json!({ "machine": machine(), "run": notes, "results": list });
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(&all)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn print(text: &str) -> std::io::Result<()> {
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())
}

fn read(directory: &Path) -> anyhow::Result<Results> {
    let mut results = Results::new();
    for entry in std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
    {
        let path = entry?.path();
        let stem =
            path.extension().filter(|e| *e == "json").and_then(|_| path.file_stem()?.to_str());
        let Some((name, viewers)) = stem.and_then(|s| s.rsplit_once('-')) else { continue };
        let Ok(viewers) = viewers.parse() else { continue };
        let text = std::fs::read_to_string(&path)?;
        let value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no JSON", path.display()))?;
        results.insert((viewers, name.to_owned()), value);
    }
    Ok(results)
}

fn table(results: &Results) -> String {
    let mut out = String::new();
    let head = [
        "viewers",
        "server",
        "CPU-s/Gbit",
        "x floor",
        "KiB/viewer",
        "complete %",
        "join p50",
        "latency p50/p99/p99.9 ms",
    ];
    row(&mut out, head.map(str::to_owned));
    for ((viewers, name), result) in results {
        let floor = results
            .get(&(*viewers, FLOOR.to_owned()))
            .and_then(|f| f["cpu_seconds_per_gbit"].as_f64());
        row(&mut out, cells(*viewers, name, result, floor));
    }
    out
}

fn cells(viewers: usize, name: &str, result: &Value, floor: Option<f64>) -> [String; 8] {
    let show = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "–".into(), |v| format!("{v:.digits$}"))
    };
    let cost = result["cpu_seconds_per_gbit"]
        .as_f64()
        .or(result["server"]["cpu_seconds_per_gbit"].as_f64());
    let (latency, what) = match &result["ingest_to_send_ms"] {
        Value::Null if result["part_ms"].is_object() => (&result["part_ms"], " a part of HLS"),
        Value::Null => (&result["sample"]["capture_to_received_ms"], " capture to received"),
        told => (told, " ingest to send"),
    };
    let known = latency["p50"].is_number();
    let quantiles = ["p50", "p99", "p999"].map(|q| show(latency[q].as_f64(), 2)).join(" / ");
    [
        viewers.to_string(),
        name.to_owned(),
        show(cost, 3),
        show(cost.zip(floor).map(|(cost, floor)| cost / floor), 2),
        show(result["server"]["rss_kib_per_viewer"].as_f64(), 0),
        show(result["delivered"]["complete_percent"].as_f64(), 3),
        show(result["join_ms"]["p50"].as_f64().or(result["first_part_ms"]["p50"].as_f64()), 1),
        if known { quantiles + what } else { "–".to_owned() },
    ]
}

fn row(
    out: &mut String,
    [viewers, server, cost, ratio, memory, complete, join, latency]: [String; 8],
) {
    let line = format!(
        "{viewers:>7}  {server:<11} {cost:>10} {ratio:>8} {memory:>11} {complete:>11} {join:>9}  {latency}"
    );
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", line.trim_end());
}

/// The facts that make figures of two machines differ.
fn machine() -> Value {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|l| l.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpu = file("/proc/cpuinfo");
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": field(&cpu, "model name"),
        "memory": field(&file("/proc/meminfo"), "MemTotal"),
        "kernel": file("/proc/sys/kernel/osrelease").trim(),
        "net.core.rmem_max": file("/proc/sys/net/core/rmem_max").trim(),
        "net.core.wmem_max": file("/proc/sys/net/core/wmem_max").trim(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_the_floor_of_as_many_viewers() {
        let load = json!({
            "server": { "cpu_seconds_per_gbit": 0.3, "rss_kib_per_viewer": 99.6 },
            "delivered": { "complete_percent": 100.0 },
            "join_ms": { "p50": 12.34 },
            "ingest_to_send_ms": { "p50": 0.1, "p99": 2.0, "p999": null },
            "sample": {},
        });
        let other = json!({ "ingest_to_send_ms": null, "sample": { "capture_to_received_ms": { "p50": null } } });
        let results = Results::from([
            ((50, "floor".into()), json!({ "cpu_seconds_per_gbit": 0.2 })),
            ((50, "neverblink".into()), load),
            ((200, "other".into()), other),
        ]);
        let table = table(&results);
        let lines: Vec<Vec<&str>> =
            table.lines().skip(1).map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[0][..4], ["50", "floor", "0.200", "1.00"]);
        assert_eq!(lines[1][..7], ["50", "neverblink", "0.300", "1.50", "100", "100.000", "12.3"]);
        assert_eq!(lines[1][7..12], ["0.10", "/", "2.00", "/", "–"]);
        assert_eq!(lines[2], ["200", "other", "–", "–", "–", "–", "–", "–"]);
    }

    #[test]
    fn the_machine_is_described() {
        assert!(
            machine()["cores"].as_u64() > Some(0)
                && machine()["kernel"].as_str().is_some_and(|k| !k.is_empty())
        );
    }
}
