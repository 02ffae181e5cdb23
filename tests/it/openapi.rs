//! The API's documents: what is committed, what is served, and that they say all there is.

use crate::walk::{Listener, Operation, Request, World, operations, operations_of, schema};
use regcred::http::{internal_openapi, public_openapi};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::{collections::HashSet, fs, path::PathBuf};

/// What a document must be, byte for byte.
fn text(listener: Listener) -> String {
    let document = match listener {
        Listener::Public => public_openapi(),
        Listener::Internal => internal_openapi(),
    };
    format!("{}\n", document.to_pretty_json().expect("a document is JSON"))
}

fn file(listener: Listener) -> PathBuf {
    let name = match listener {
        Listener::Public => "public.json",
        Listener::Internal => "internal.json",
    };
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("openapi").join(name)
}

#[test]
fn the_committed_documents_are_those_that_the_code_makes() {
    for listener in Listener::ALL {
        let file = file(listener);
        if std::env::var_os("REGCRED_WRITE_OPENAPI").is_some() {
            fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("the folder can be made");
            fs::write(&file, text(listener)).expect("the document can be written");
        }
        assert!(
            fs::read_to_string(&file).unwrap_or_default() == text(listener),
            "{} is not what the code makes. To write it anew and commit it with the change:\n    \
             REGCRED_WRITE_OPENAPI=1 cargo test --test it openapi",
            file.display()
        );
    }
}

#[test]
fn the_documents_are_openapi_3_1() {
    for listener in Listener::ALL {
        let document = listener.document();
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")), "{listener:?}");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}

#[test]
fn every_operation_says_what_it_does_and_how_it_refuses() {
    let mut ids = HashSet::new();
    for operation in operations() {
        let id = operation.id().to_owned();
        assert!(ids.insert((operation.listener, id.clone())), "{id} is there twice");
        assert!(operation.described["summary"].as_str().is_some_and(|text| !text.is_empty()), "{id} has no summary");
        let responses = operation.described["responses"].as_object().expect("an operation has responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{id} never succeeds");
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{id} {status}");
            if status.starts_with(['4', '5']) {
                let content = response["content"].as_object().expect("a refusal has content");
                assert_eq!(content.keys().collect::<Vec<_>>(), ["application/problem+json"], "{id} {status}");
                let schema = &content["application/problem+json"]["schema"];
                assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{id} {status}");
            }
        }
        if !operation.is_probe() {
            assert_eq!(operation.described["security"], json!([{"token": []}]), "{id} asks for no token");
            for status in ["400", "401", "403", "404", "500", "503"] {
                assert!(responses.contains_key(status), "{id} does not tell of {status}");
            }
        }
        assert_eq!(path_parameters(&operation), names_in(&operation.path), "{id}");
    }
}

fn path_parameters(operation: &Operation) -> Vec<String> {
    let parameters = operation.described["parameters"].as_array().into_iter().flatten();
    let in_path = parameters.filter(|parameter| parameter["in"] == "path");
    in_path.map(|parameter| parameter["name"].as_str().expect("a parameter has a name").to_owned()).collect()
}

fn names_in(path: &str) -> Vec<String> {
    path.split('/').filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned())).collect()
}

#[test]
fn the_public_document_has_nothing_of_the_internal_one_but_the_probes() {
    let (public, internal) = (Listener::Public.document(), Listener::Internal.document());
    let of = |listener, document: &Value| {
        let operations = operations_of(listener, document).into_iter().filter(|operation| !operation.is_probe());
        operations.map(|operation| operation.path).collect::<HashSet<_>>()
    };
    assert!(of(Listener::Public, &public).is_disjoint(&of(Listener::Internal, &internal)));
    assert!(!public["paths"].as_object().unwrap().keys().any(|path| path.contains("internal") || path == "/metrics"));
    for schema in ["DockerConfig", "DockerLogin"] {
        assert!(public["components"]["schemas"][schema].is_null(), "{schema} tells of secrets");
        assert!(internal["components"]["schemas"][schema].is_object(), "{schema} is documented where it is used");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_serves_its_own_document_and_none_of_the_other_ones_paths() {
    let world = World::start().await;
    for listener in Listener::ALL {
        let get = |path: &str| Request { listener, ..Request::new(Method::GET, path, Value::Null) };
        let answer = world.send(&get("/openapi.json"), None).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{listener:?}");
        assert_eq!(answer.json(), listener.document(), "{listener:?}");
    }
    for operation in operations().into_iter().filter(|operation| !operation.is_probe()) {
        let elsewhere = Listener::ALL.into_iter().find(|listener| *listener != operation.listener).unwrap();
        let path = operation.path.replace("{organization}", "acme").replace("{project}", "shop");
        let path = path.replace("{id}", "0197aaaa-0000-7000-8000-000000000000");
        let request = Request { listener: elsewhere, ..Request::new(operation.method.clone(), &path, Value::Null) };
        let answer = world.send(&request, Some(world.operator())).await;
        assert_eq!((answer.status, answer.slug().as_str()), (404, "no-such-path"), "{}", operation.id());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rendered_page_loads_from_its_own_listener_alone() {
    let world = World::start().await;
    for listener in Listener::ALL {
        let get = |path: String| Request { listener, ..Request::new(Method::GET, &path, Value::Null) };
        let page = world.send(&get("/docs/".to_owned()), None).await;
        assert_eq!(page.status, 200, "{listener:?}");
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("http"), "{policy}");
        let loaded = loaded(&page.text());
        assert!(loaded.len() > 4, "a page loads its scripts and styles: {loaded:?}");
        let mut styles = 0;
        for name in &loaded {
            assert!(!name.contains("//") && !name.starts_with('/'), "{name} is not relative");
            let answer = world.send(&get(format!("/docs/{}", name.trim_start_matches("./"))), None).await;
            assert_eq!(answer.status, 200, "{name}");
            if answer.header("content-type").is_some_and(|media_type| media_type.starts_with("text/css")) {
                let others = answer.text().matches("url(http").count() + answer.text().matches("@import").count();
                assert_eq!(others, 0, "{name} loads from elsewhere");
                styles += 1;
            }
        }
        assert_eq!(styles, 2, "{loaded:?}");
        assert!(loaded.iter().any(|name| name == "./swagger-initializer.js"), "{loaded:?}");
        let settings = world.send(&get("/docs/swagger-initializer.js".to_owned()), None).await.text();
        assert!(settings.contains(r#""url": "/openapi.json""#), "{settings}");
        assert!(!settings.contains("http"), "{settings}");
        // Unless told otherwise, the page sends the document's address to validator.swagger.io, and shows what it answers.
        assert!(settings.contains(r#""validatorUrl": "none""#), "{settings}");
    }
}

/// What the elements of a page load.
fn loaded(html: &str) -> Vec<String> {
    let values = |attribute: &str| {
        let parts = html.split(attribute).skip(1);
        parts.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect::<Vec<_>>()
    };
    [values(" src=\""), values(" href=\"")].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_every_request_body_are_accepted() {
    let world = World::start().await;
    let mut tried = 0;
    for operation in operations() {
        let Some(media_type) = operation.media_type() else { continue };
        let document = operation.listener.document();
        let schema = &operation.described["requestBody"]["content"][media_type]["schema"];
        let example = example(&document, schema);
        if example.is_empty() {
            continue;
        }
        let example = Value::Object(example);
        schema::check(&document, schema, &example).unwrap_or_else(|error| panic!("{}: {error}", operation.id()));
        let request = world.request(&operation, crate::walk::Target::Fresh).await;
        let answer = world.send(&Request { body: example, ..request }, Some(world.operator())).await;
        assert_eq!(answer.status, 201, "{}: {}", operation.id(), answer.text());
        assert_eq!(operation.complaint(&document, &answer), None, "{}", operation.id());
        tried += 1;
    }
    assert_eq!(tried, 5, "credentials have two places, tokens three");
}

/// A body of the members' own examples.
fn example(document: &Value, schema: &Value) -> Map<String, Value> {
    let pointer = schema["$ref"].as_str().expect("bodies have names").trim_start_matches('#');
    let properties =
        document.pointer(pointer).expect("it is there")["properties"].as_object().expect("it is an object");
    let examples = properties.iter().map(|(name, schema)| (name.clone(), schema["examples"][0].clone()));
    examples.filter(|(_, example)| !example.is_null()).collect()
}
