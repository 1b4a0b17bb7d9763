//! How a server looks from behind a proxy.

/// How a server looks from behind a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As it is.
    Pass,
    /// It refuses everything: a database closes each connection, a service of AWS answers each request
    /// with an error.
    Away,
    /// It does what it is asked, and its answers come after everyone has stopped waiting for them.
    Slow,
    /// A half of what it is asked fails.
    Half,
    /// It answers, and a test takes away everything that it holds, again and again.
    Emptied,
}
