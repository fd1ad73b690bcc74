#![doc = include_str!("../README.md")]

mod address;
mod client;
mod curl;
mod error;
pub mod lenient_json;
mod memory;
pub mod oauth1;
mod policy;
mod query;
pub mod redaction;
mod request;
mod response;
mod send_check;
mod tls;

pub use address::{InvalidAddress, Lookup, LookupFuture, Refusal, SystemLookup, judge_ip};
pub use client::HttpClient;
pub use error::{TlsFailure, TransportError};
pub use memory::{AnswerLease, AnswerMemory};
pub use policy::{OutboundPolicy, PolicyError, PortRule, Subnet};
pub use query::{encode_component, encode_pairs};
pub use request::{Effect, Request};
pub use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
pub use reqwest::{Method, StatusCode};
pub use response::Response;
pub use send_check::SendCheck;
pub use url::Url;
