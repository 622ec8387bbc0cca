"""HTTP as values: requests, responses, headers, timestamps."""
