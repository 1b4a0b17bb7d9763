//! Changes of one item under a condition.

use aws_sdk_dynamodb::{error::SdkError, operation::update_item::builders::UpdateItemFluentBuilder};

use super::item::Item;
use crate::store::{Store, StoreError};

/// Sends a change, and returns the attributes that it asks for. Returns `None` if its condition is not
/// fulfilled, so that nothing was changed.
pub(super) async fn updated(update: UpdateItemFluentBuilder, operation: &'static str) -> Result<Option<Item>, StoreError> {
    match update.send().await.map_err(SdkError::into_service_error) {
        Ok(updated) => Ok(Some(updated.attributes.unwrap_or_default())),
        Err(error) if error.is_conditional_check_failed_exception() => Ok(None),
        Err(error) => Err(StoreError::new(Store::Ledger, operation, error)),
    }
}
