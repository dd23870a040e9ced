"""The policy that chooses, the gate that promotes, model card and bill of materials."""
