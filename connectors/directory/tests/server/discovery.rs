//! What the server says of itself.

use serde_json::{Value, json};

use crate::support::{ENTERPRISE, GROUP, Server, USER};

#[tokio::test]
async fn the_configuration_says_what_is_supported() {
    let server = Server::start().await;
    let config = server.get("/ServiceProviderConfig").await.ok();
    for feature in ["patch", "bulk", "filter", "sort", "etag", "changePassword"] {
        assert_eq!(config[feature]["supported"], true, "{feature}");
    }
    assert_eq!(config["pagination"]["cursor"], true);
    assert!(config["bulk"]["maxOperations"].is_u64() && config["bulk"]["maxPayloadSize"].is_u64());
    assert!(config["filter"]["maxResults"].is_u64());
    assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
}

#[tokio::test]
async fn schemas_and_resource_types_are_listed_and_found_by_name() {
    let server = Server::start().await;
    let schemas = server.get("/Schemas").await.ok();
    assert_eq!(schemas["totalResults"], 3);
    for urn in [USER, GROUP, ENTERPRISE] {
        let schema = server.get(&format!("/Schemas/{urn}")).await.ok();
        assert_eq!((&schema["id"], &schema["meta"]["resourceType"]), (&json!(urn), &json!("Schema")));
        assert!(schemas["Resources"].as_array().is_some_and(|all| all.contains(&schema)));
    }
    let user = server.get(&format!("/Schemas/{USER}")).await.ok();
    let attribute = |name: &str| -> Value {
        user["attributes"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|a| a["name"] == name)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(attribute("userName")["uniqueness"], "server");
    assert_eq!(
        (&attribute("password")["returned"], &attribute("password")["mutability"]),
        (&json!("never"), &json!("writeOnly"))
    );
    assert_eq!(attribute("groups")["mutability"], "readOnly");

    let types = server.get("/ResourceTypes").await.ok();
    assert_eq!(types["totalResults"], 2);
    let user = server.get("/ResourceTypes/User").await.ok();
    assert_eq!((&user["endpoint"], &user["schema"]), (&json!("/Users"), &json!(USER)));
    assert_eq!(user["schemaExtensions"], json!([{"schema": ENTERPRISE, "required": false}]));
    server.get("/Schemas/urn:x").await.refused(404, None);
    server.get("/ResourceTypes/Car").await.refused(404, None);
    server.get("/Schemas?filter=id%20pr").await.refused(403, None);
}
