"""Stored predictions and what follows from them: scores with their intervals. Knows no network and no training."""
