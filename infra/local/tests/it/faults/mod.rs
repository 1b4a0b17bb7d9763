//! Proxies in front of real servers. They let everything pass, or make one server look as if it were
//! away, slow or half away. No server is replaced: a request that passes is answered by the real one.

pub(crate) mod aws;
pub(crate) mod mode;
pub(crate) mod tcp;
