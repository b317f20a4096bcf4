"""ASTv2, AST's successor with attention across channels (TPAMI 2025)."""

from pellucid.models.astv2.model import ASTv2, ASTv2Config

__all__ = ["ASTv2", "ASTv2Config"]
