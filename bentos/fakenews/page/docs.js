window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  // What Swagger UI leaves without a name.
  onComplete: () => document.getElementById("servers")?.setAttribute("aria-label", "Server"),
});
