"""What several operations include: headers for their C++, ``arithmetic`` for their Triton."""
