//! What each command does.

use std::{
    fs,
    io::{BufWriter, IsTerminal, Read, Write, stdin, stdout},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use local::{
    Instance, bulk, capacity,
    cloud::{self, Plan, Up},
    cost, demo, deploy as stack,
    progress::{Step, print},
    python::Environment,
    supervisor,
};
use shared::summarizer::{Lengths, Options, summarize as engine};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) fn up(instance: &Instance, regions: Vec<String>, detach: bool) -> Result<()> {
    runtime()?.block_on(async {
        // From here on Ctrl-C is ours: whatever is under way, the servers end in order.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let program = std::env::current_exe()?;
        let plan = Plan {
            instance,
            regions,
            attached: !detach,
            supervisor: &program,
            step: |what| Step::begin(what),
        };
        print("SummarEase on this machine");
        let work = async {
            let up = cloud::up(&plan).await?;
            for region in &plan.regions {
                show_article(instance, region).await?;
            }
            Ok::<_, anyhow::Error>(up)
        };
        let up = tokio::select! {
            up = work => up?,
            _ = interrupt.recv() => bail!("interrupted"),
            _ = terminate.recv() => bail!("told to stop"),
        };
        show_use(instance, &plan.regions[0])?;
        if detach || up.supervisor.is_none() {
            print("\nRunning in the background. `cargo local down` stops it.");
            return Ok(());
        }
        print("\nReady. Ctrl-C stops everything.");
        stay(up, &mut interrupt, &mut terminate).await
    })
}

/// Waits for Ctrl-C, or for the servers to end by themselves.
async fn stay(mut up: Up, interrupt: &mut tokio::signal::unix::Signal, terminate: &mut tokio::signal::unix::Signal) -> Result<()> {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(500));
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = tick.tick() => {
                if let Some(child) = &mut up.supervisor && let Some(status) = child.try_wait()? {
                    bail!("the servers ended ({status}); see `cargo local logs`");
                }
            }
        }
    }
    print("\nStopping …");
    Ok(())
}

async fn show_article(instance: &Instance, region: &str) -> Result<()> {
    let step = Step::begin(format!(
        "Summarising an article of {} words in {region}",
        demo::ARTICLE.split_whitespace().count()
    ));
    let finished = demo::run(&demo::url(instance, region)?).await?;
    step.done();
    let text = finished.resource["result"]["text"].as_str().unwrap_or_default();
    let how = if finished.cached { ", from the cache" } else { "" };
    say(&format!("\n{text}\n"))?;
    print(&format!("  submitted to done: {} ms{how}", finished.took.as_millis()));
    Ok(())
}

fn show_use(instance: &Instance, region: &str) -> Result<()> {
    let (url, key) = (demo::url(instance, region)?, demo::KEY);
    say(&format!(
        "URL  {url}\nKey  {key}\n\nTry it:\n\n  curl -s {url}/v1/summaries \\\n    -H 'x-api-key: {key}' -H 'content-type: application/json' \\\n    -d '{{\"text\":\"The river rose again overnight. Two villages were moved to higher ground by noon.\",\"length\":{{\"sentences\":1}}}}'\n"
    ))
}

pub(crate) fn down(instance: &Instance) -> Result<()> {
    let mut state = instance.state();
    match state.supervisor.filter(|id| supervisor::is_alive(*id)) {
        Some(id) => {
            supervisor::stop(id)?;
            print("Stopped.");
        }
        None => print("Nothing is running."),
    }
    supervisor::end_leftovers(instance);
    state.supervisor = None;
    instance.remember(&state)
}

pub(crate) fn status(instance: &Instance) -> Result<()> {
    let state = running(instance)?;
    say(&format!("AWS        {}", state.ports.aws_url()))?;
    for region in state.regions.keys() {
        say(&format!("\n{region}"))?;
        say(&format!("  API      {}", demo::url(instance, region)?))?;
        say(&format!("  Postgres {}", stack::database_url(instance, region)))?;
        say(&format!("  Valkey   {}", stack::valkey_url(instance, region)))?;
    }
    runtime()?.block_on(async {
        for region in state.regions.keys() {
            let reply = reqwest::get(format!("{}/v1/health/deep", demo::url(instance, region)?)).await?;
            say(&format!("\n{region} {}", reply.text().await?))?;
        }
        Ok(())
    })
}

pub(crate) fn logs(instance: &Instance, lines: usize) -> Result<()> {
    let mut files: Vec<_> = fs::read_dir(instance.dir().join("logs"))
        .context("there are no logs; run `cargo local up` first")?
        .flatten()
        .collect();
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files {
        let text = String::from_utf8_lossy(&fs::read(file.path())?).into_owned();
        let all: Vec<_> = text.lines().collect();
        say(&format!(
            "==> {} <==\n{}\n",
            file.path().display(),
            all[all.len().saturating_sub(lines)..].join("\n")
        ))?;
    }
    Ok(())
}

pub(crate) fn env(instance: &Instance, region: &str) -> Result<()> {
    running(instance)?;
    for (name, value) in environment(instance, region)? {
        say(&format!("export {name}='{}'", value.replace('\'', "'\\''")))?;
    }
    say(&format!("export PATH='{}':\"$PATH\"", Environment::Tools.bin().display()))
}

/// What a client, a function and `cargo lambda watch` need of a region.
fn environment(instance: &Instance, region: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = stack::client_env(instance, region);
    pairs.push(("SUMMAREASE_URL".into(), demo::url(instance, region)?));
    pairs.push(("SUMMAREASE_API_KEY".into(), demo::KEY.into()));
    let outputs = instance.state().regions.remove(region).unwrap_or_default();
    pairs.extend(stack::function_env(instance, region, &outputs));
    Ok(pairs)
}

pub(crate) fn watch(instance: &Instance, region: &str, rest: &[String]) -> Result<()> {
    running(instance)?;
    let bin = Environment::Tools.bin();
    let path =
        std::env::join_paths(std::iter::once(bin.clone()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())))?;
    let mut command = Command::new(bin.join("cargo-lambda"));
    command
        .args(["lambda", "watch"])
        .args(rest)
        .envs(environment(instance, region)?)
        .env("PATH", path);
    let status = command
        .current_dir(local::instance::workspace())
        .status()
        .context("cargo-lambda did not start")?;
    if status.success() {
        Ok(())
    } else {
        bail!("cargo lambda watch ended with {status}")
    }
}

pub(crate) fn deploy(instance: &Instance, mut regions: Vec<String>) -> Result<()> {
    let state = running(instance)?;
    if regions.is_empty() {
        regions.extend(state.regions.keys().cloned());
    }
    if let Some(missing) = regions.iter().find(|region| !state.ports.valkey.contains_key(*region)) {
        bail!("{missing} has no Valkey yet; `cargo local down`, then `cargo local up --region {missing}` with all your regions");
    }
    let program = std::env::current_exe()?;
    let plan = Plan {
        instance,
        regions,
        attached: false,
        supervisor: &program,
        step: |what| Step::begin(what),
    };
    runtime()?.block_on(async {
        cloud::up(&plan).await?;
        plan.regions
            .iter()
            .try_for_each(|region| say(&format!("{region}  {}", demo::url(instance, region)?)))
    })
}

pub(crate) fn invoke(instance: &Instance, event: &Path, region: &str) -> Result<()> {
    let state = running(instance)?;
    let folder = event
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let output = match folder {
        "api" => "ApiFunction",
        "summarize" => "SummarizeStandardFunction",
        "redrive" => "RedriveFunction",
        "maintain" => "MaintainFunction",
        "canary" => "CanaryFunction",
        "prescale" => "PrescaleFunction",
        other => bail!("events are kept in a folder named after their function, and there is no function `{other}`"),
    };
    let payload = fs::read(event).with_context(|| format!("cannot read {}", event.display()))?;
    let function = state
        .regions
        .get(region)
        .and_then(|outputs| outputs.get(output))
        .with_context(|| format!("{region} is not deployed"))?;
    runtime()?.block_on(async {
        let client = aws_sdk_lambda::Client::new(&stack::sdk(instance, region));
        let reply = client
            .invoke()
            .function_name(function)
            .payload(aws_sdk_lambda::primitives::Blob::new(payload))
            .send()
            .await?;
        say(&String::from_utf8_lossy(reply.payload().map(AsRef::as_ref).unwrap_or_default()))?;
        reply.function_error().map_or(Ok(()), |error| bail!("the function failed: {error}"))
    })
}

pub(crate) fn summarize(file: &Path, lengths: Lengths, mut options: Options<'_>, json: bool) -> Result<()> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        anyhow::anyhow!(
            "the text is not UTF-8: byte {} starts no character",
            error.utf8_error().valid_up_to()
        )
    })?;
    if lengths != Lengths::default() {
        options.budget = bulk::budget(lengths)?;
    }
    let summary = engine(&text, &options)?;
    if json {
        say(&serde_json::to_string_pretty(&summary)?)
    } else {
        say(&summary.text)
    }
}

pub(crate) fn cost() -> Result<()> {
    Environment::Tools.install()?;
    say(cost::table()?.trim_end())
}

pub(crate) fn simulate(plan: &Path, traces: &[String], charts: &Path) -> Result<()> {
    say(capacity::simulate(plan, traces, charts)?.trim_end())?;
    print(&format!("\nCharts: {}", charts.display()));
    Ok(())
}

pub(crate) fn summarize_lines() -> Result<()> {
    if stdin().is_terminal() {
        print("reading lines of {\"id\", \"document\", one length field} from standard input");
    }
    bulk::lines(stdin().lock(), BufWriter::new(stdout().lock()))
}

/// The state of an instance that runs.
fn running(instance: &Instance) -> Result<local::instance::State> {
    let state = instance.state();
    if state.supervisor.is_some_and(supervisor::is_alive) && !state.regions.is_empty() {
        return Ok(state);
    }
    bail!("the local cloud is not running; start it with `cargo local up --detach`")
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Runtime::new()?)
}

/// Prints a result to standard output; a reader that went away is no error.
fn say(text: &str) -> Result<()> {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
