module example.com/test-caching

go 1.19
