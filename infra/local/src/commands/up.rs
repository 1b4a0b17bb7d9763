//! `cargo local up`: everything from the installation to the summary of one article.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use local::{
    Instance,
    cloud::{
        addresses,
        bringup::{self, Bringup, Running},
        instance::DEFAULT_REGION,
        tenant::KEY,
    },
    demo,
    progress::{Step, print},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{runtime, say};

#[derive(Args)]
pub(crate) struct Up {
    /// AWS region to deploy; may be given more than once.
    #[arg(long = "region", value_name = "REGION", default_value = DEFAULT_REGION)]
    regions: Vec<String>,
    /// Return when everything is ready and leave it running.
    #[arg(long)]
    detach: bool,
}

impl Up {
    pub(crate) fn run(self, instance: &Instance) -> Result<()> {
        runtime()?.block_on(async {
            // From here on this program handles Ctrl-C itself, so that the servers always stop in
            // order.
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let program = std::env::current_exe()?;
            let bringup = Bringup {
                instance,
                regions: self.regions,
                attached: !self.detach,
                supervisor: &program,
                step: |what| Step::begin(what),
            };
            print("SummarEase on this machine: the first start usually takes 10 to 15 minutes, later ones under a minute");
            let work = async {
                let running = bringup::up(&bringup).await?;
                for region in &bringup.regions {
                    show_article(instance, region).await?;
                }
                Ok::<_, anyhow::Error>(running)
            };
            let running = tokio::select! {
                running = work => running?,
                _ = interrupt.recv() => bail!("interrupted"),
                _ = terminate.recv() => bail!("stopped by a signal"),
            };
            for region in bringup.regions.iter().skip(1) {
                say(&format!("URL of {region}  {}", addresses::api_url(instance, region)?))?;
            }
            show_use(instance, &bringup.regions[0])?;
            if self.detach || running.supervisor.is_none() {
                print("\nRunning in the background. `cargo local down` stops it.");
                return Ok(());
            }
            print("\nReady. Ctrl-C stops everything.");
            stay(running, &mut interrupt, &mut terminate).await
        })
    }
}

/// Waits for Ctrl-C, or until the servers stop without being told to.
async fn stay(mut running: Running, interrupt: &mut Signal, terminate: &mut Signal) -> Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = tick.tick() => {
                if let Some(child) = &mut running.supervisor && let Some(status) = child.try_wait()? {
                    bail!("the servers stopped ({status}); see `cargo local logs`");
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
    let finished = demo::run(&addresses::api_url(instance, region)?).await?;
    step.done();
    let text = finished.resource["result"]["text"].as_str().unwrap_or_default();
    let how = if finished.cached { ", from the cache" } else { "" };
    say(&format!("\n{text}\n"))?;
    print(&format!("  submitted to done: {} ms{how}", finished.took.as_millis()));
    Ok(())
}

fn show_use(instance: &Instance, region: &str) -> Result<()> {
    let url = addresses::api_url(instance, region)?;
    say(&format!(
        "URL  {url}\nKey  {KEY}\n\nTry it:\n\n  curl -s {url}/v1/summaries \\\n    -H 'x-api-key: {KEY}' -H 'content-type: application/json' -H 'prefer: wait=10' \\\n    -d '{{\"text\":\"The river rose again overnight. Two villages were moved to higher ground by noon.\",\"length\":{{\"sentences\":1}}}}'\n"
    ))
}
