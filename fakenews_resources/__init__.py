"""What talks to the outside: storage, news sources, experiment tracking, Ray, landing folder, notices."""
