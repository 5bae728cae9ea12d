"""Has modules of its own under names of the standard library."""

import ast
import json
import queue

print(ast.OWN, json.OWN, queue.OWN)
