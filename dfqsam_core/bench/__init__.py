"""What dfqsam bench measures of the product itself."""
