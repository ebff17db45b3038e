"""Simulated cooling devices: real protocols over real sockets, a small physics model behind them."""
