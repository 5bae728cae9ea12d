OWN = "ast"
