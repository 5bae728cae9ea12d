"""What a Timeline says: numbers, verdict, waits."""
