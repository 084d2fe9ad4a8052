try (.. | error) catch .
