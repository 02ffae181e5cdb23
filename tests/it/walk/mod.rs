//! Every operation of both `OpenAPI` documents, with real requests for each of them: what the tests stand on that must leave
//! none out.

mod fixture;
pub mod schema;

pub use fixture::{Answer, Bearer, Place, Request, Target, World};

use regcred::{
    domain::permission::Action,
    http::{internal_openapi, public_openapi},
};
use reqwest::Method;
use serde_json::Value;

/// Which of the two listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listener {
    Public,
    Internal,
}

impl Listener {
    pub const ALL: [Self; 2] = [Self::Public, Self::Internal];

    /// The listener's document as the code makes it. That this is the one which is committed and served, `openapi` tests.
    pub fn document(self) -> Value {
        let document = match self {
            Self::Public => public_openapi(),
            Self::Internal => internal_openapi(),
        };
        serde_json::to_value(document).expect("a document is JSON")
    }
}

/// A method of a path.
#[derive(Debug, Clone)]
pub struct Operation {
    pub listener: Listener,
    pub method: Method,
    pub path: String,
    /// The operation as the document has it.
    pub described: Value,
}

impl Operation {
    /// The operation's name in its document.
    pub fn id(&self) -> &str {
        self.described["operationId"].as_str().expect("every operation has an operationId")
    }

    /// The name without the scope that it is served below: `credential_create`.
    pub fn base(&self) -> &str {
        self.id().split_once("_in_").map_or(self.id(), |(base, _)| base)
    }

    /// Whether machines ask it without a token.
    pub fn is_probe(&self) -> bool {
        self.described["security"] == serde_json::json!([{}])
    }

    /// What the policy calls it.
    pub fn action(&self) -> Option<Action> {
        Action::ALL.iter().copied().find(|action| action.name().replace('.', "_") == self.base())
    }

    /// The media type of its request body, if it takes one.
    pub fn media_type(&self) -> Option<&str> {
        let content = self.described["requestBody"]["content"].as_object()?;
        Some(content.keys().next().expect("a body has a media type"))
    }

    /// What is wrong with an answer by the document: a status that it does not name, another media type, another shape.
    pub fn complaint(&self, document: &Value, answer: &Answer) -> Option<String> {
        let described = &self.described["responses"][answer.status.to_string()];
        if described.is_null() {
            return Some(format!("status {} is not documented", answer.status));
        }
        let Some(content) = described["content"].as_object() else {
            return (!answer.body.is_empty()).then(|| format!("no body is documented for {}", answer.status));
        };
        let media_type = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        let Some(described) = content.get(media_type) else {
            return Some(format!("media type '{media_type}' is not documented for {}", answer.status));
        };
        if media_type == "text/plain" {
            return None;
        }
        schema::check(document, &described["schema"], &answer.json()).err()
    }
}

/// Every operation of both documents. The probes are in both.
pub fn operations() -> Vec<Operation> {
    let operations = Listener::ALL.into_iter().flat_map(|listener| operations_of(listener, &listener.document()));
    operations.collect()
}

/// Every operation of a document.
pub fn operations_of(listener: Listener, document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("a document has paths") {
        for (method, described) in item.as_object().expect("a path has methods") {
            let method = method.to_uppercase().parse().expect("it is a method: none of our paths has other members");
            operations.push(Operation { listener, method, path: path.clone(), described: described.clone() });
        }
    }
    operations
}
