"""Everything that talks to the outside: storage, news sources, experiment tracking, Ray, the landing folder, the
notifier."""
