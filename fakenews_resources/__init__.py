"""What talks to the outside: storage, news sources, tracking, Ray, landing folder, notifier."""
