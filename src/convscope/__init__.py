"""convscope: one line of text is a convolutional network."""
