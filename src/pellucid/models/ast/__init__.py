"""AST, the Adaptive Sparse Transformer (Zhou et al., CVPR 2024)."""

from pellucid.models.ast.model import AST, ASTConfig

__all__ = ["AST", "ASTConfig"]
