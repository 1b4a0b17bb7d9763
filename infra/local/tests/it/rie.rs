//! A function under AWS's Runtime Interface Emulator.

use std::{
    net::TcpListener,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use local::{artifacts, deploy, python::Environment};
use serde_json::Value;
use tokio::time::Instant;

use crate::cloud::Cloud;

/// A running emulator with its function.
pub(crate) struct Emulator {
    process: Child,
    url: String,
}

impl Emulator {
    pub(crate) async fn start(cloud: &Cloud, binary: &str) -> Self {
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        let program = Environment::Tools
            .packages()
            .unwrap()
            .join(format!("samcli/local/rapid/aws-lambda-rie-{arch}"));
        let [port, api] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let outputs = &cloud.up.state.regions["us-east-1"];
        let mut command = Command::new(program);
        command.args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")]);
        command.args(["--runtime-api-address", &format!("127.0.0.1:{api}")]);
        command.arg(artifacts::build().unwrap().join(binary));
        command
            .env_clear()
            .envs(deploy::client_env(&cloud.instance, "us-east-1"))
            .envs(deploy::function_env(&cloud.instance, "us-east-1", outputs));
        command
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", "30")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let process = command.spawn().expect("the emulator starts");
        let emulator = Self {
            process,
            url: format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"),
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < deadline, "the emulator does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        emulator
    }

    pub(crate) async fn invoke(&self, event: &Value) -> Value {
        let reply = reqwest::Client::new()
            .post(&self.url)
            .json(event)
            .send()
            .await
            .expect("the emulator answers");
        serde_json::from_str(&reply.text().await.unwrap()).expect("the function answers with JSON")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The emulator and the function it started share a process group.
        let group = rustix::process::Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.process.wait();
    }
}
