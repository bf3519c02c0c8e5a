module example.com/monorepo/tools/pack

go 1.19
