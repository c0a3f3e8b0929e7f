"""The live service: lists with their reasons over HTTP, and a page where people see why."""
