//! The stage of the HTTP API.

use super::estate::Estate;

pub(super) fn api(estate: &Estate, findings: &mut Vec<String>) {
    for (name, stage) in estate.properties("AWS::ApiGatewayV2::Stage") {
        let limits = &stage["DefaultRouteSettings"];
        if limits["ThrottlingRateLimit"].is_null() || limits["ThrottlingBurstLimit"].is_null() {
            findings.push(format!("{name} has no throttle"));
        }
        if stage["AccessLogSettings"]["DestinationArn"].is_null() {
            findings.push(format!("{name} keeps no access log"));
        }
    }
}
