"""The only users of rclpy."""
