//! `cargo bench --bench cold_start`: cold starts of the functions, compared with a hello-world
//! function.
//!
//! Each round starts the Runtime Interface Emulator again and invokes the function once. *Wall* is
//! the time from the request to the first response, and includes the start of the process. *CPU* is
//! the CPU time of the function's process until then, from the scheduler statistics of its threads
//! (Linux only). *Warm* is the mean CPU time of the invocations that follow; the cost model
//! (`infra/cost.toml`) takes its figures from that column. All figures are medians. Machines
//! differ, so compare the ratios to hello-world, not the times. Rows that use the stores
//! need the local cloud (`cargo local up --detach`).

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use local::{
    Instance,
    checkout::workspace,
    cloud::{addresses, emulator::Emulator, supervisor},
    tools::{build, python::Environment},
};
use serde_json::{Value, json};

const ROUNDS: usize = 21;
const WARM: u32 = 20;

struct Row {
    name: &'static str,
    program: &'static str,
    event: Value,
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() -> Result<()> {
    // `cargo test --benches` only checks that the benchmark can be built.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    Environment::Tools.install()?;
    let packages = ["--package", "api", "--package", "summarize", "--package", "local"];
    let binaries = ["--bin", "api", "--bin", "summarize", "--example", "hello"];
    let release = build::cargo(&[&["--release"], &packages[..], &binaries].concat())?.join("release");
    let instance = Instance::default();
    let state = instance.state();
    let cloud = state
        .supervisor
        .is_some_and(supervisor::is_alive)
        .then(|| state.regions.get("us-east-1"))
        .flatten();
    let mut rows = vec![
        Row {
            name: "hello-world",
            program: "examples/hello",
            event: json!({}),
        },
        Row {
            name: "api, health",
            program: "api",
            event: event("api/health")?,
        },
        Row {
            name: "summarize, empty batch",
            program: "summarize",
            event: json!({"Records": []}),
        },
    ];
    if cloud.is_some() {
        rows.push(Row {
            name: "api, submit",
            program: "api",
            event: event("api/submit")?,
        });
        rows.push(Row {
            name: "api, read",
            program: "api",
            event: event("api/read-unknown")?,
        });
        rows.push(Row {
            name: "summarize, batch",
            program: "summarize",
            event: event("summarize/batch")?,
        });
        rows.push(Row {
            name: "summarize, one job",
            program: "summarize",
            event: event("summarize/one")?,
        });
    }
    let mut env = addresses::client_env(&instance, "us-east-1");
    env.extend(placeholders());
    if let Some(outputs) = cloud {
        env.extend(addresses::function_env(&instance, "us-east-1", outputs));
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let mut samples = vec![Vec::new(); rows.len()];
    // Each round measures every row, so that a busy moment of the machine affects all of them.
    for _ in 0..ROUNDS {
        for (row, samples) in rows.iter().zip(&mut samples) {
            samples.push(runtime.block_on(cold(&release.join(row.program), &env, &row.event))?);
        }
    }
    println!("| function | wall, ms | × hello | CPU, ms | × hello | warm CPU, ms | binary, MB |\n|---|---|---|---|---|---|---|");
    let medians: Vec<_> = samples.into_iter().map(medians).collect();
    for (row, [wall, cpu, warm]) in rows.iter().zip(&medians) {
        let size = fs::metadata(release.join(row.program))?.len();
        println!(
            "| {} | {:.1} | {:.2} | {:.1} | {:.2} | {:.2} | {}.{} |",
            row.name,
            millis(*wall),
            millis(*wall) / millis(medians[0][0]),
            millis(*cpu),
            millis(*cpu) / millis(medians[0][1]),
            millis(*warm),
            size / 1_000_000,
            size / 100_000 % 10,
        );
    }
    Ok(())
}

fn event(name: &str) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(
        workspace().join(format!("events/{name}.json")),
    )?)?)
}

/// All environment variables, for rows that use no store.
fn placeholders() -> Vec<(String, String)> {
    let url = "http://127.0.0.1:9";
    let pairs = [
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none"),
        ("VALKEY_URL", "redis://127.0.0.1:9"),
        ("DIRECTORY_TABLE", "none"),
        ("LEDGER_TABLE", "none"),
        ("DOCUMENTS_BUCKET", "none"),
        ("EXPRESS_URL", url),
        ("STANDARD_URL", url),
        ("BULK_URL", url),
        ("LANE_URL", url),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Wall and CPU time of one cold start, and the mean CPU time of the invocations after it.
async fn cold(program: &Path, env: &[(String, String)], event: &Value) -> Result<[Duration; 3]> {
    let emulator = Emulator::start(program, env.iter().cloned())?;
    let started = Instant::now();
    let reply = emulator.invoke(event).await?;
    let wall = started.elapsed();
    if reply.get("errorMessage").is_some() {
        bail!("{}: {reply}", program.display());
    }
    let cpu = cpu_time(emulator.id())?;
    for _ in 0..WARM {
        emulator.invoke(&unseen(event)).await?;
    }
    Ok([wall, cpu, cpu_time(emulator.id())?.saturating_sub(cpu) / WARM])
}

/// The event with a text that is in no cache, if it has a text.
fn unseen(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(Value::String(body)) = event.get_mut("body") {
        *body = body.replace("The river", &format!("On day {} the river", uuid::Uuid::new_v4().simple()));
    }
    event
}

/// CPU time of the emulator's child, all threads together, from `/proc/<pid>/task/*/schedstat`,
/// which counts nanoseconds.
fn cpu_time(emulator: u32) -> Result<Duration> {
    let children = fs::read_dir(format!("/proc/{emulator}/task"))?.flatten();
    let children = children
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .collect::<String>();
    let child = children.split_whitespace().next().context("the emulator has no child")?;
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{child}/task"))?.flatten() {
        let stat = fs::read_to_string(task.path().join("schedstat"))?;
        nanos += stat
            .split(' ')
            .next()
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or_default();
    }
    Ok(Duration::from_nanos(nanos))
}

fn medians(mut samples: Vec<[Duration; 3]>) -> [Duration; 3] {
    std::array::from_fn(|column| {
        samples.sort_by_key(|sample| sample[column]);
        samples[samples.len() / 2][column]
    })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
