//! An object of a store, opened by its address.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path as Key;
use object_store::{
    ClientOptions, GetOptions, ObjectStore, ObjectStoreExt, ObjectStoreScheme, RetryConfig,
};
use qualm::Location;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use super::{refuse, scheme};
use crate::error::{Error, Result};
use crate::format::SNIFF;

/// How often, and for how long, a request is repeated: a mistaken address is told within a minute.
const RETRIES: usize = 4;
const RETRY_FOR: Duration = Duration::from_secs(45);

/// A place in a store: an object, or the folder that a prefix of names is.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) key: Key,
    pub(super) address: PathBuf,
}

impl Object {
    /// Opens the store that an address names, with what the environment says of credentials
    /// (`AWS_*`, `GOOGLE_*`, `AZURE_*`). No request is sent.
    ///
    /// # Errors
    /// [`Error::Remote`] for a place that is not read, [`Error::Read`] for an address or settings that
    /// cannot be used.
    pub(super) fn at(address: &Path) -> Result<Self> {
        let text = address.to_string_lossy();
        let url = Url::parse(&text).map_err(|error| unusable(address, error))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(unusable(address, QUERY));
        }
        let Ok((place, key)) = ObjectStoreScheme::parse(&url) else {
            return Err(refuse(address));
        };
        let retry = RetryConfig {
            max_retries: RETRIES,
            retry_timeout: RETRY_FOR,
            ..RetryConfig::default()
        };
        let store: object_store::Result<Arc<dyn ObjectStore>> = match place {
            ObjectStoreScheme::AmazonS3 => (AmazonS3Builder::from_env().with_url(url))
                .with_retry(retry)
                .build()
                .map(|store| Arc::new(store) as _),
            ObjectStoreScheme::GoogleCloudStorage => (GoogleCloudStorageBuilder::from_env())
                .with_url(url)
                .with_retry(retry)
                .build()
                .map(|store| Arc::new(store) as _),
            ObjectStoreScheme::MicrosoftAzure => (MicrosoftAzureBuilder::from_env().with_url(url))
                .with_retry(retry)
                .build()
                .map(|store| Arc::new(store) as _),
            ObjectStoreScheme::Http => HttpBuilder::new()
                .with_url(url.origin().ascii_serialization())
                // The address itself says whether it is encrypted.
                .with_client_options(ClientOptions::new().with_allow_http(true))
                .with_retry(retry)
                .build()
                .map(|store| Arc::new(store) as _),
            _ => return Err(refuse(address)),
        };
        Ok(Self {
            store: store.map_err(|error| unusable(address, error))?,
            key,
            address: address.to_owned(),
        })
    }

    /// Its bytes in all, and the first of them, which tell what it is.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn head(&self) -> Result<(u64, Vec<u8>)> {
        let first = GetOptions::new().with_range(Some(0..SNIFF as u64));
        let found = wait(&self.address, async {
            let size = self.store.head(&self.key).await?.size;
            if size == 0 {
                return Ok((0, Vec::new()));
            }
            let found = self.store.get_opts(&self.key, first).await?;
            Ok((size, found.bytes().await?.to_vec()))
        })?;
        found.map_err(|error| self.failed(error))
    }

    /// What went wrong, as an error about the address.
    pub(super) fn failed(&self, error: object_store::Error) -> Error {
        let address = &self.address;
        match error {
            object_store::Error::NotFound { .. } => Error::NotFound {
                path: address.clone(),
            },
            object_store::Error::Unauthenticated { .. }
            | object_store::Error::PermissionDenied { .. } => unusable(
                address,
                Denied {
                    credentials: credentials(address),
                    source: error,
                },
            ),
            error => unusable(address, error),
        }
    }
}

const QUERY: &str = "addresses with '?' or '#' are not read; copy the file to this machine first";

fn unusable(address: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Read {
        at: Location::file(address),
        source: io::Error::other(source),
    }
}

/// Where a store looks for its credentials.
fn credentials(address: &Path) -> &'static str {
    match scheme(address) {
        Some("s3" | "s3a") => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        Some("gs") => "GOOGLE_APPLICATION_CREDENTIALS",
        Some("http" | "https") => "the address",
        _ => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    }
}

/// A place that must not be read with these credentials.
#[derive(Debug)]
struct Denied {
    credentials: &'static str,
    source: object_store::Error,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access is denied; check {}", self.credentials)
    }
}

impl std::error::Error for Denied {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Waits for what a store answers.
///
/// # Errors
/// [`Error::Read`] where the system gives no means to wait on the network.
pub(super) fn wait<T>(address: &Path, answer: impl Future<Output = T>) -> Result<T> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    // Requests are sent by the thread that waits for them.
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build());
    match runtime {
        Ok(runtime) => Ok(runtime.block_on(answer)),
        Err(error) => Err(unusable(address, error.to_string())),
    }
}
