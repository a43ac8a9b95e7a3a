"""Says whether a value fits a JSON schema: JSON on stdin, a word on stdout; a script, so that it can be stopped."""

import json
import sys

from jsonschema import SchemaError, validators
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

asked = json.load(sys.stdin)
schema = asked["schema"]
try:
    kind = validators.validator_for(schema, default=validators.Draft202012Validator)
    kind.check_schema(schema)
    validator = kind(schema, registry=Registry())  # an empty one: nothing is fetched
    error = best_match(validator.iter_errors(asked["value"])) if "value" in asked else None
except (SchemaError, Unresolvable, RecursionError, TypeError, ValueError, AttributeError) as exc:
    sys.stdout.write(f"refused {getattr(exc, 'message', None) or str(exc) or type(exc).__name__}"[:300])
else:
    where = "" if error is None else "/".join(map(str, error.absolute_path))
    sys.stdout.write("fits" if error is None else f"does not fit {where or 'the value'}: {error.message}"[:300])
