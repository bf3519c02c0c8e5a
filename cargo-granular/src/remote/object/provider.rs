//! Where a bucket is and who we are there, as each provider's own tools are told: from the environment, and for AWS from a profile. What it says of addresses
//! is held to what may be spoken to in the open.

use super::super::ask;
use super::super::place::{Place, Scheme, is_in_the_open};
use super::carry::Carrier;
use super::profile::Profile;
use crate::session::variable;
use crate::trouble::{Result, Trouble};
use granular::ordered::Map;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

/// The bucket of a place. Speaks to nobody yet.
pub(super) fn store(place: &Place, env: &Map<OsString, OsString>) -> Result<Box<dyn ObjectStore>> {
    // What the others say of their settings may repeat a secret.
    let (made, why) = match place.scheme {
        Scheme::Gs => {
            (google(place, env), Some("what GOOGLE_… in the environment says is not right"))
        }
        Scheme::Az => (
            azure(place, env),
            Some("what AZURE_… in the environment says is not right, or names no account"),
        ),
        Scheme::S3 | Scheme::Http | Scheme::Grpc => (s3(place, env)?, None),
    };
    made.map_err(|error| {
        let why = why.map_or_else(|| error.to_string(), str::to_owned);
        Trouble::usage(format!("the remote cache at {} cannot be used: {why}", place.host))
    })
}

type Made = object_store::Result<Box<dyn ObjectStore>>;

fn s3(place: &Place, env: &Map<OsString, OsString>) -> Result<Made> {
    let mut builder = settings(env, "AWS_")
        .fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
    let profile = Profile::read(env);
    let has = |name| variable(env, name).is_some();
    let names_keys = has("AWS_ACCESS_KEY_ID") || has("AWS_SECRET_ACCESS_KEY");
    let names_others = (has("AWS_WEB_IDENTITY_TOKEN_FILE") && has("AWS_ROLE_ARN"))
        || has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        || (has("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            && has("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    let keys = profile.get("aws_access_key_id").zip(profile.get("aws_secret_access_key"));
    let mut why_not = None;
    match keys {
        _ if names_keys || names_others => {}
        Some((id, secret)) => {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            if let Some(token) = profile.get("aws_session_token") {
                builder = builder.with_token(token);
            }
        }
        None => {
            let is_disabled = variable(env, "AWS_EC2_METADATA_DISABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true"));
            why_not = profile.is_beyond_us().or_else(|| {
                is_disabled.then(|| {
                    "AWS_EC2_METADATA_DISABLED says not to ask the machine that runs this one"
                        .to_owned()
                })
            });
        }
    }
    if let Some(region) =
        profile.get("region").filter(|_| !has("AWS_REGION") && !has("AWS_DEFAULT_REGION"))
    {
        builder = builder.with_region(region);
    }
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .into_iter()
        .find_map(|name| variable(env, name));
    let endpoint = endpoint.or_else(|| profile.get("endpoint_url"));
    if let Some(endpoint) = endpoint {
        is_fit(endpoint, place, env)?;
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    let carrier = Carrier::new(ask::is_insecure(env), why_not);
    let builder =
        builder.with_bucket_name(&place.bucket).with_retry(once()).with_http_connector(carrier);
    Ok(builder.build().map(|store| Box::new(store) as _))
}

fn google(place: &Place, env: &Map<OsString, OsString>) -> Made {
    let builder = settings(env, "GOOGLE_")
        .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| {
            builder.with_config(key, value)
        });
    let carrier = Carrier::new(ask::is_insecure(env), None);
    let builder =
        builder.with_bucket_name(&place.bucket).with_retry(once()).with_http_connector(carrier);
    builder.build().map(|store| Box::new(store) as _)
}

fn azure(place: &Place, env: &Map<OsString, OsString>) -> Made {
    let builder = settings(env, "AZURE_")
        .fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| {
            builder.with_config(key, value)
        });
    let carrier = Carrier::new(ask::is_insecure(env), None);
    let builder =
        builder.with_container_name(&place.bucket).with_retry(once()).with_http_connector(carrier);
    builder.build().map(|store| Box::new(store) as _)
}

/// What the environment says to a provider, as far as it is known.
fn settings<'a, K: FromStr>(
    env: &'a Map<OsString, OsString>,
    prefix: &'static str,
) -> impl Iterator<Item = (K, &'a str)> {
    let known = move |(name, value): (&'a OsString, &'a OsString)| {
        let (name, value) = (name.to_str()?, value.to_str()?);
        let is_set = name.starts_with(prefix) && !value.is_empty();
        Some((name.to_ascii_lowercase().parse().ok().filter(|_| is_set)?, value))
    };
    env.iter().filter_map(known)
}

/// How often is for [`super::super::health`] to say.
fn once() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}

/// An address that stands outside of the URL is held to the same as one in it.
fn is_fit(endpoint: &str, place: &Place, env: &Map<OsString, OsString>) -> Result<()> {
    match is_in_the_open(endpoint) {
        Some(true) if !ask::is_insecure(env) => Err(ask::in_the_open(place)),
        Some(_) => Ok(()),
        None => Err(Trouble::usage(format!(
            "the remote cache at {} cannot be used: AWS_ENDPOINT_URL is not `https://HOST`",
            place.host
        ))),
    }
}
